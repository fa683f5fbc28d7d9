# SPDX-License-Identifier: GPL-3.0-or-later
"""Device rules: what they come to in order, as lists of version 1, and as a program that an interpreter runs here."""

from __future__ import annotations

import itertools
import random
import struct
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import devicebpf, devices
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec, Unsupported

DENY_ALL = {"allow": False, "access": "rwm"}


def rule(allow: bool, kind: str = "c", major: int | None = None, minor: int | None = None, access: str = "rwm") -> Any:
    return {"allow": allow, "type": kind, "major": major, "minor": minor, "access": access}


def run(code: bytes, kind: str, major: int, minor: int, access: int) -> int:
    """The few instructions of our programs, as Documentation/bpf/standardization/instruction-set.rst has them."""
    context = struct.pack("=III", access << 16 | {"b": 1, "c": 2}[kind], major, minor)
    registers, at, steps = {1: 0}, 0, 0
    while True:
        steps += 1
        assert steps < 10_000, "it does not end"
        opcode, pair, offset, immediate = struct.unpack_from("=BBhi", code, at * 8)
        target, source = pair & 15, pair >> 4
        at += 1
        if opcode == devicebpf.LOAD_WORD:
            registers[target] = struct.unpack_from("=I", context, registers[source] + offset)[0]
        elif opcode == devicebpf.MOVE:
            registers[target] = immediate
        elif opcode == devicebpf.MOVE_REGISTER:
            registers[target] = registers[source]
        elif opcode == devicebpf.AND:
            registers[target] &= immediate
        elif opcode == devicebpf.SHIFT_RIGHT:
            registers[target] >>= immediate
        elif opcode == devicebpf.JUMP:
            at += offset
        elif opcode == devicebpf.JUMP_IF_NOT_EQUAL:
            at += offset if registers[target] != immediate else 0
        elif opcode == devicebpf.JUMP_IF_ANY_BIT:
            at += offset if registers[target] & immediate else 0
        else:
            assert opcode == devicebpf.EXIT
            return registers[0]


def by_hand(entries: list[Any], kind: str, major: int, minor: int, access: int) -> bool:
    """The meaning of a list in order: for each kind of access the last rule that speaks of it."""
    for bit in (1, 2, 4):
        if not access & bit:
            continue
        allowed = True
        for item in devices.read(entries):
            speaks = item.kind in ("a", kind) and item.major in (None, major) and item.minor in (None, minor)
            if speaks and item.bits & bit:
                allowed = item.allow
        if not allowed:
            return False
    return True


def test_the_standard_list() -> None:
    code = devicebpf.program(devices.read(devices.STANDARD))
    for major, minor in ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, 0), (136, 99)):
        assert all(run(code, "c", major, minor, access) for access in range(1, 8))
        assert not run(code, "b", major, minor, 2)
    # Memory, ports, kernel log, consoles, tun, fuse, kvm, disks: not even to be made.
    for kind, major, minor in (
        ("c", 1, 1), ("c", 1, 2), ("c", 1, 4), ("c", 1, 11), ("c", 4, 0), ("c", 10, 200), ("c", 10, 229), ("c", 10, 232),
        ("b", 8, 0), ("b", 254, 0), ("b", 7, 0),
    ):  # fmt: skip
        assert not any(run(code, kind, major, minor, access) for access in range(1, 8))
    assert devices.decide(devices.read(devices.STANDARD)).lines() == (
        "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:1 rwm", "c 5:2 rwm",
        "c 136:* rwm",
    )  # fmt: skip


def test_a_program_decides_as_the_list_reads() -> None:
    """Random lists against the plain meaning, for every device that they could tell apart."""
    chance = random.Random(4)
    for _attempt in range(40):
        entries = [
            rule(
                chance.random() < 0.5, chance.choice("abc"), chance.choice((None, 1, 2)), chance.choice((None, 1, 2)),
                "".join(chance.sample("rwm", chance.randint(1, 3))),
            )
            for _count in range(chance.randint(0, 7))
        ]  # fmt: skip
        code = devicebpf.program(devices.read(entries))
        for kind, major, minor, access in itertools.product("bc", (1, 2, 3), (1, 3), range(1, 8)):
            wanted = by_hand(entries, kind, major, minor, access)
            assert run(code, kind, major, minor, access) == wanted, entries


def test_what_is_never_reached_is_left_out() -> None:
    """The verifier refuses a program with instructions that nothing leads to."""
    short = devicebpf.program(devices.read([rule(True, "c", 1, 3), DENY_ALL]))
    assert short == devicebpf.program(devices.read([DENY_ALL]))
    assert len(short) // 8 == 8
    assert run(devicebpf.program(devices.read(devices.ALL)), "b", 8, 0, 7) == 1
    assert run(devicebpf.program((), allow=False), "b", 8, 0, 7) == 0


def lines(*entries: Any) -> tuple[bool, tuple[str, ...]]:
    decision = devices.decide(devices.read(entries))
    return decision.allow, decision.lines()


def test_a_list_of_version_1() -> None:
    assert lines() == (True, ())
    assert lines(DENY_ALL, rule(True, "c", 1, 3, "rw"), rule(True, "c", 1, 3, "m")) == (False, ("c 1:3 rwm",))
    assert lines(DENY_ALL, rule(True, "c", 1, 3), rule(False, "c", 1, 3, "w")) == (False, ("c 1:3 rm",))
    assert lines(DENY_ALL, rule(True, "c", 1, 3), rule(False, "c", 1)) == (False, ())
    assert lines(DENY_ALL, rule(True, "a", 7, None, "r")) == (False, ("b 7:* r", "c 7:* r"))
    assert lines(rule(False, "b", 8, 0, "w")) == (True, ("b 8:0 w",))
    assert lines(rule(False, "b", 8, 0), DENY_ALL, rule(True, "c", 5, -1)) == (False, ("c 5:* rwm",))
    assert lines(DENY_ALL, rule(True, "c", 9, 1), rule(True, "b", 8, 0), rule(True, "c", 1, 3)) == (
        False, ("c 9:1 rwm", "b 8:0 rwm", "c 1:3 rwm"),
    )  # fmt: skip
    with pytest.raises(Unsupported, match="c 1:9 is a part of c 1:"):
        lines(DENY_ALL, rule(True, "c", 1), rule(False, "c", 1, 9))


def test_a_live_change_never_takes_away_what_stays() -> None:
    wanted = devices.decide(devices.read([DENY_ALL, rule(True, "c", 1, 3), rule(True, "c", 1, 5, "r")]))
    assert devices.transition("a *:* rwm\n", wanted) == (
        ("devices.deny", "a"), ("devices.allow", "c 1:3 rwm"), ("devices.allow", "c 1:5 r"),
    )  # fmt: skip
    assert devices.transition("c 1:3 rwm\nc 1:5 rw\nc 10:200 rwm\n", wanted) == (
        ("devices.allow", "c 1:5 r"), ("devices.deny", "c 10:200 rwm"), ("devices.deny", "c 1:5 w"),
    )  # fmt: skip
    assert devices.transition("c 1:3 rwm\nc 1:5 r\n", wanted) == ()
    assert devices.transition("c 1:3 rwm\n", devices.decide(devices.read(devices.ALL))) == (("devices.allow", "a"),)


def test_foreign_bundles_get_what_they_name_and_the_standard_nodes() -> None:
    code = devicebpf.program(devices.read(devices.for_bundle([rule(True, "c", 10, 200, "rw")])))
    assert [run(code, "c", *numbers, 6) for numbers in ((10, 200), (1, 3), (10, 229))] == [1, 1, 0]
    assert not run(code, "c", 10, 200, 1)


def test_nodes_of_foreign_bundles_can_be_looked_at() -> None:
    """access(2) with F_OK asks for none of the bits."""
    nodes = [
        {"type": "u", "path": "/dev/fuse", "major": 10, "minor": 229, "uid": 0},
        {"type": "p", "path": "/dev/fifo"},
    ]
    rules = devices.read(devices.for_bundle([DENY_ALL], nodes))
    code = devicebpf.program(rules)
    assert [run(code, "c", 10, 229, access) for access in (0, 1, 2, 4, 6)] == [1, 1, 0, 0, 0]
    assert "c 10:229 m" in devices.decide(rules).lines()
    assert not run(code, "c", 10, 200, 0)


@pytest.mark.parametrize("text", ["", "c", "c 1:3", "x 1:3 r", "c 1 r", "c 1:x r", "c 1:3 rx", "c -1:3 r", "c 1:3 r w"])
def test_rules_that_are_none(text: str) -> None:
    with pytest.raises(InvalidSpec, match="device_cgroup_rules"):
        devices.parse(text)


def test_dockers_spelling() -> None:
    assert devices.parse("c 13:* rw") == {"allow": True, "type": "c", "major": 13, "access": "rw"}
    assert devices.parse("b 8:1 m") == {"allow": True, "type": "b", "major": 8, "minor": 1, "access": "m"}
    for bad in (rule(True, "x"), rule(True, access="rq")):
        with pytest.raises(InvalidSpec, match="devices"):
            devices.read([bad])
