# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's classic BPF, as far as seccomp(2) takes it (kernel/seccomp.c, seccomp_check_filter), and a filter's word for itself."""

from __future__ import annotations

import functools
import operator
import struct
from typing import NamedTuple

from ansible_collections.berth.containers.plugins.module_utils._engine.security.seccomp import filters
from ansible_collections.berth.containers.plugins.module_utils._engine.security.seccomp import numbers as tables
from ansible_collections.berth.containers.plugins.module_utils._engine.security.seccomp.numbers import ARM_BASE, X32_BIT

AUDIT = {"X86_64": 0xC000003E, "X86": 0x40000003, "X32": 0xC000003E, "AARCH64": 0xC00000B7, "ARM": 0x40000028}
_JUMPS = {0x15: operator.eq, 0x25: operator.gt, 0x35: operator.ge}
_WIDE = (1 << 64) - 1
numbers = functools.cache(tables.numbers)


class Call(NamedTuple):
    """struct seccomp_data."""

    arch: int
    number: int
    args: tuple[int, ...] = (0, 0, 0, 0, 0, 0)


def run(code: bytes, call: Call) -> tuple[int, int]:
    """What the program returns, and how many instructions that took. Every jump must stay inside."""
    data = struct.pack("=IIQ6Q", call.number, call.arch, 0, *call.args)
    program = list(struct.iter_unpack("=HBBI", code))
    at = steps = loaded = 0
    while True:
        op, true, false, value = program[at]
        at, steps = at + 1, steps + 1
        if op == 0x20:
            assert value % 4 == 0
            (loaded,) = struct.unpack_from("=I", data, value)
        elif op == 0x54:
            loaded &= value
        elif op == 0x05:
            at += value
        elif op == 0x06:
            return value, steps
        else:
            at += true if _JUMPS[op](loaded, value) else false


def evaluate(wanted: filters.Filter, call: Call) -> int:
    """What the filter says, rule by rule and without any program."""
    kinds = [kind for kind in wanted.architectures if AUDIT[kind] == call.arch]
    if not kinds:
        return filters.KILL_PROCESS
    x32 = call.arch == AUDIT["X86_64"] and call.number >= X32_BIT
    kind = "X32" if x32 else kinds[0]
    of_kind = numbers("X86_64" if x32 and "X32" not in wanted.architectures else kind)
    named = {of_kind[name] for rule in wanted.rules for name in rule.names if name in of_kind}
    lets = wanted.default & 0xFFFF0000 in (filters.ALLOW, filters.LOG, filters.TRACE)
    no_call = filters.ERRNO | 38
    if x32 and "X32" not in wanted.architectures:
        return no_call if named and not lets else filters.KILL_PROCESS
    rules = [r for r in wanted.rules if any(of_kind.get(name) == call.number for name in r.names)]
    narrow = kind in ("X86", "ARM")
    for rule in rules:
        if rule.conditions and all(_holds(condition, call, narrow) for condition in rule.conditions):
            return rule.action
    for rule in rules:
        if not rule.conditions and rule.action != wanted.default:
            return rule.action
    own = {number for number in named if kind != "ARM" or number < ARM_BASE}
    beyond = bool(own) and call.number > max(own) and not (kind == "ARM" and call.number >= ARM_BASE)
    return no_call if beyond and not rules and not lets else wanted.default


def _holds(condition: filters.Condition, call: Call, narrow: bool) -> bool:
    most = 0xFFFFFFFF if narrow else _WIDE
    value, given, second = (number & most for number in (condition.value, call.args[condition.index], condition.second))
    if condition.op == "MASKED_EQ":
        return given & value == second & value
    compare = {"NE": operator.ne, "LT": operator.lt, "LE": operator.le, "EQ": operator.eq, "GE": operator.ge}
    return bool(compare.get(condition.op, operator.gt)(given, value))
