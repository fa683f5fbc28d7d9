# SPDX-License-Identifier: GPL-3.0-or-later
"""Device rules as an eBPF program of type BPF_PROG_TYPE_CGROUP_DEVICE: what version 2 has in place of a controller."""

from __future__ import annotations

import struct

from .devices import EVERYTHING, Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Opcodes (Documentation/bpf/standardization/instruction-set.rst): class, source and operation in one byte.
LOAD_WORD = 0x61
MOVE, MOVE_REGISTER, AND, SHIFT_RIGHT = 0xB7, 0xBF, 0x57, 0x77
JUMP, JUMP_IF_NOT_EQUAL, JUMP_IF_ANY_BIT = 0x05, 0x55, 0x45
EXIT = 0x95

# struct bpf_cgroup_dev_ctx (linux/bpf.h): access in the upper half of a word and type in the lower, major, minor.
_ACCESS_TYPE, _MAJOR, _MINOR = 0, 4, 8
_TYPES = {"b": 1, "c": 2}
_RESULT, _CONTEXT, _KIND, _LEFT, _MAJ, _MIN = range(6)


def program(rules: Sequence[Rule], *, allow: bool = True) -> bytes:
    """The program's instructions. For every kind of access that is asked for, the last rule that has a word on it decides.

    A device that no rule speaks of is allowed when `allow`. The kernel calls it with the context in r1; 1 in r0 allows.
    """
    code = [
        _op(LOAD_WORD, _KIND, _CONTEXT, _ACCESS_TYPE),
        _op(MOVE_REGISTER, _LEFT, _KIND),
        _op(AND, _KIND, immediate=0xFFFF),
        _op(SHIFT_RIGHT, _LEFT, immediate=16),
        _op(LOAD_WORD, _MAJ, _CONTEXT, _MAJOR),
        _op(LOAD_WORD, _MIN, _CONTEXT, _MINOR),
    ]
    for rule in reversed(rules):
        if (rule.kind, rule.major, rule.minor, rule.bits) == ("a", None, None, EVERYTHING):
            # Whatever comes before it has no word left; the verifier refuses what can't be reached.
            return b"".join((*code, *_return(allow=rule.allow)))
        code += _rule(rule)
    return b"".join((*code, *_return(allow=allow)))


def _rule(rule: Rule) -> list[bytes]:
    """`_LEFT` holds the kinds of access that no later rule has decided on."""
    if rule.allow:
        decision = [
            _op(AND, _LEFT, immediate=EVERYTHING & ~rule.bits),
            _op(JUMP_IF_NOT_EQUAL, _LEFT, offset=2, immediate=0),
        ]
    else:
        decision = [_op(JUMP_IF_ANY_BIT, _LEFT, offset=1, immediate=rule.bits), _op(JUMP, offset=2)]
    decision += _return(allow=rule.allow)
    tests = [
        (register, number)
        for register, number in ((_KIND, _TYPES.get(rule.kind)), (_MAJ, rule.major), (_MIN, rule.minor))
        if number is not None
    ]
    code = []
    for place, (register, number) in enumerate(tests):
        beyond = len(tests) - place - 1 + len(decision)
        code.append(_op(JUMP_IF_NOT_EQUAL, register, offset=beyond, immediate=number))
    return code + decision


def _return(*, allow: bool) -> list[bytes]:
    return [_op(MOVE, _RESULT, immediate=int(allow)), _op(EXIT)]


def _op(code: int, target: int = 0, source: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    """struct bpf_insn in the machine's byte order; x86_64 and aarch64 both put the target register into the lower half."""
    return struct.pack("=BBhi", code, source << 4 | target, offset, immediate)
