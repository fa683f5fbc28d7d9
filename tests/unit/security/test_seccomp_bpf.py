# SPDX-License-Identifier: GPL-3.0-or-later
"""What the compiled program decides is what the filter says, for any filter and any call."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.security.seccomp import bpf, filters

from .bpfmachine import AUDIT, Call, evaluate, numbers, run

X86 = ("X86_64", "X86", "X32")
ARM = ("AARCH64", "ARM")
# Neighbours, numbers at the ends, ARM's own, and one that nobody has.
NAMES = (
    "read",
    "write",
    "open",
    "close",
    "openat",
    "clone",
    "clone3",
    "socket",
    "mseal",
    "set_tls",
    "ioctl",
    "waitpid",
    "nosuch",
)
EDGES = (0, 1, 2, 0x5412, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 32) + 1, (1 << 32) + 0x5412, (1 << 64) - 1)

values = st.one_of(st.sampled_from(EDGES), st.integers(0, (1 << 64) - 1))
conditions = st.builds(
    lambda index, op, value, second: filters.Condition(index=index, op=op, value=value, second=second),
    st.integers(0, 2), st.sampled_from(filters.COMPARISONS), values, values,
)  # fmt: skip
actions = st.sampled_from(
    (filters.ALLOW, filters.ERRNO | 1, filters.ERRNO | 38, filters.KILL_PROCESS, filters.LOG, filters.TRACE | 7)
)
rules = st.builds(
    lambda names, action, found: filters.Rule(names=tuple(names), action=action, conditions=tuple(found)),
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=4), actions, st.lists(conditions, max_size=3),
)  # fmt: skip
wholes = st.builds(
    lambda default, family, extra, found: filters.Filter(
        default=default, architectures=(family[0], *family[1 : 1 + extra]), rules=tuple(found), flags=0
    ),
    actions, st.sampled_from((X86, ARM)), st.integers(0, 2), st.lists(rules, max_size=12),
)  # fmt: skip
calls = st.builds(
    lambda kind, name, near, args: Call(
        AUDIT[kind], (numbers(kind).get(name, numbers(kind)["mseal"]) + near) % (1 << 32), tuple(args)
    ),
    st.sampled_from(sorted(AUDIT)), st.sampled_from(NAMES), st.integers(-2, 2), st.tuples(*[values] * 6),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(wholes, st.lists(calls, min_size=5, max_size=20))
def test_the_program_decides_as_the_filter_says(wanted: filters.Filter, asked: list[Call]) -> None:
    code = bpf.compile_filter(wanted)[1]
    for call in asked:
        assert run(code, call)[0] == evaluate(wanted, call), call


def compiled(*syscalls: dict[str, Any], default: str = "SCMP_ACT_ERRNO", **more: Any) -> bytes:
    document = {"defaultAction": default, "syscalls": list(syscalls), **more}
    return bpf.compile_filter(filters.parse(document, X86))[1]


def allowed(*names: str) -> dict[str, Any]:
    return {"names": list(names), "action": "SCMP_ACT_ALLOW"}


def outcome(code: bytes, number: int, *args: int, kind: str = "X86_64") -> int:
    return run(code, Call(AUDIT[kind], number, (*args, *[0] * (6 - len(args)))))[0]


@pytest.mark.parametrize("op", filters.COMPARISONS)
def test_every_comparison_at_every_edge(op: str) -> None:
    for value in EDGES:
        argument = {"index": 1, "op": f"SCMP_CMP_{op}", "value": value, "valueTwo": 0x5412}
        document = {**allowed("ioctl"), "args": [argument]}
        wanted = filters.parse({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [document]}, X86)
        code = bpf.compile_filter(wanted)[1]
        for given_value in {number + step for number in (*EDGES, value) for step in (-1, 0, 1)}:
            call = Call(AUDIT["X86_64"], 16, (0, given_value % (1 << 64), 0, 0, 0, 0))
            assert run(code, call)[0] == evaluate(wanted, call), (op, value, given_value)


def test_jumps_are_as_long_as_need_be() -> None:
    """Every call with an error number of its own, on three architectures: no two outcomes can be shared."""
    names = sorted({name for kind in X86 for name in numbers(kind)})
    wanted = filters.parse(
        {
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": [
                {"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": index + 2} for index, name in enumerate(names)
            ],
        },
        X86,
    )
    code = bpf.compile_filter(wanted)[1]
    assert 2000 < len(code) // 8 <= 4096
    for kind in X86:
        for name, number in numbers(kind).items():
            action, steps = run(code, Call(AUDIT[kind], number))
            assert action == filters.ERRNO | names.index(name) + 2
            assert steps < 40


def test_a_program_that_the_kernel_would_not_take() -> None:
    arguments = [{"index": 0, "op": "SCMP_CMP_EQ", "value": value << 16} for value in range(2000)]
    with pytest.raises(InvalidSpec, match="more than the 4096"):
        compiled({**allowed("socket"), "args": arguments})


def test_unknown_calls_and_architectures() -> None:
    code = compiled(allowed("read", "mseal"), default="SCMP_ACT_KILL")
    assert outcome(code, 0) == filters.ALLOW
    assert outcome(code, 1) == filters.KILL_THREAD
    assert outcome(code, 463) == filters.ERRNO | 38
    assert outcome(code, (1 << 32) - 1) == filters.ERRNO | 38
    # x32 has the bit; the filter names no x32.
    assert outcome(code, 0x40000000) == filters.ERRNO | 38
    assert outcome(code, 3, kind="X86") == filters.KILL_PROCESS
    assert run(code, Call(AUDIT["AARCH64"], 63))[0] == filters.KILL_PROCESS
    for default in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"):
        lets = compiled({"names": ["read"], "action": "SCMP_ACT_ERRNO"}, default=default)
        assert outcome(lets, 9999) & 0xFFFF0000 == filters.ACTIONS[default]
        assert outcome(lets, 0x40000000) == filters.KILL_PROCESS


def test_x32_has_its_own_numbers() -> None:
    code = compiled(allowed("ioctl", "read"), architectures=["SCMP_ARCH_X32"])
    assert outcome(code, 16) == outcome(code, 0x40000000 + 514) == outcome(code, 0x40000000) == filters.ALLOW
    assert outcome(code, 0x40000000 + 16) == outcome(code, 514 - 2) - 37 == filters.ERRNO | 1


def test_conditions_come_before_what_has_none_and_defaults_stand_against_nothing() -> None:
    argument = {"index": 1, "op": "SCMP_CMP_MASKED_EQ", "value": 0xFFFFFFFF, "valueTwo": 0x5412}
    refusal = {"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "args": [argument]}
    for order in ((refusal, allowed("ioctl")), (allowed("ioctl"), refusal)):
        code = compiled(*order)
        assert outcome(code, 16, 0, 0x5412) == outcome(code, 16, 0, 0x5412 | 7 << 32) == filters.ERRNO | 1
        assert outcome(code, 16, 0, 0x5413) == filters.ALLOW
    code = compiled({"names": ["read"], "action": "SCMP_ACT_ERRNO"}, allowed("read"))
    assert outcome(code, 0) == filters.ALLOW


def test_conditions_on_one_argument_are_alternatives() -> None:
    arguments = [{"index": 0, "op": "SCMP_CMP_EQ", "value": value} for value in (1, 2)]
    code = compiled({**allowed("socket"), "args": arguments})
    assert [outcome(code, 41, family) == filters.ALLOW for family in range(4)] == [False, True, True, False]


def test_what_is_always_allowed_loads_no_argument() -> None:
    """kernel/seccomp.c, seccomp_is_const_allow: only then is the program not run at all."""
    argument = {"index": 0, "op": "SCMP_CMP_EQ", "value": 2}
    code = compiled(allowed("read", "close"), {**allowed("write"), "args": [argument]})
    loads = {value for op, _unused, _unused, value in struct.iter_unpack("=HBBI", code) if op == 0x20}
    assert loads == {0, 4, 16, 20}
    assert run(code, Call(AUDIT["X86_64"], 0))[1] <= 8
