# SPDX-License-Identifier: GPL-3.0-or-later
"""config.json's linux.seccomp read word by word (runtime-spec 1.2, config-linux.md, Seccomp): what comes out can be compiled."""

from __future__ import annotations

from ...errors import InvalidSpec
from ...kernel.seccomp import FLAG_NEW_LISTENER
from ...values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# include/uapi/linux/seccomp.h
ALLOW, LOG, TRACE, NOTIFY, ERRNO, TRAP = 0x7FFF0000, 0x7FFC0000, 0x7FF00000, 0x7FC00000, 0x00050000, 0x00030000
KILL_PROCESS, KILL_THREAD = 0x80000000, 0x00000000
ACTIONS = {
    "SCMP_ACT_ALLOW": ALLOW,
    "SCMP_ACT_ERRNO": ERRNO,
    "SCMP_ACT_KILL": KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": KILL_PROCESS,
    "SCMP_ACT_KILL_THREAD": KILL_THREAD,
    "SCMP_ACT_LOG": LOG,
    "SCMP_ACT_NOTIFY": NOTIFY,
    "SCMP_ACT_TRACE": TRACE,
    "SCMP_ACT_TRAP": TRAP,
}
_SPEC_ALLOW, _WAIT_KILLABLE = 1 << 2, 1 << 5
_FLAGS = {
    # There is one thread when the filter is installed, so there is nothing to bring in step.
    "SECCOMP_FILTER_FLAG_TSYNC": 0,
    "SECCOMP_FILTER_FLAG_LOG": 1 << 1,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": _SPEC_ALLOW,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": _WAIT_KILLABLE,
}
COMPARISONS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
ARCHITECTURES = (
    "X86", "X86_64", "X32", "ARM", "AARCH64", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64", "MIPSEL64N32", "PPC", "PPC64",
    "PPC64LE", "S390", "S390X", "PARISC", "PARISC64", "RISCV64", "LOONGARCH64", "M68K", "SH", "SHEB",
)  # fmt: skip
# The process itself makes these to hand its listener over: it would wait for somebody who has not got it yet.
_NEVER_ASKED = ("write", "sendmsg")
_EPERM, _LARGEST_ERRNO = 1, 4095


class Condition(Value):
    """Argument `index` compared with `value`; for MASKED_EQ its bits of `value` are compared with `second`."""

    index: int
    op: str
    value: int
    second: int = 0


class Rule(Value):
    """`action` for calls named so when all `conditions` hold."""

    names: tuple[str, ...]
    action: int
    conditions: tuple[Condition, ...] = ()


class Filter(Value):
    """`default` and each rule's action are SECCOMP_RET_* with their data. `architectures` are the host's, its own first."""

    default: int
    architectures: tuple[str, ...]
    rules: tuple[Rule, ...]
    flags: int


def parse(seccomp: dict[str, Any], family: tuple[str, ...], where: str = "linux.seccomp.") -> Filter:
    """The filter of a linux.seccomp object. The host's own architecture is always in it; what this kernel can't run is left out.

    InvalidSpec names the place after `where`.
    """
    table(where, seccomp)
    default = _action(where, seccomp, "defaultAction", "defaultErrnoRet")
    if default == NOTIFY:
        raise InvalidSpec(
            f"{where}defaultAction: SCMP_ACT_NOTIFY would ask about everything: name the calls to ask about"
        )
    rules = tuple(
        rule
        for index, entry in enumerate(items(f"{where}syscalls", seccomp.get("syscalls")))
        for rule in _rules(f"{where}syscalls[{index}].", entry)
    )
    asks = any(rule.action == NOTIFY for rule in rules)
    _check_listener(where, seccomp, asks=asks)
    return Filter(
        default=default,
        architectures=_architectures(where, seccomp, family),
        rules=rules,
        flags=_flags(where, seccomp, asks),
    )


def table(where: str, value: Any) -> dict[str, Any]:
    """`value` when it is a JSON object."""
    if not isinstance(value, dict):
        raise InvalidSpec(f"{where.rstrip('.: ')} is no object")
    return value


def items(where: str, value: Any) -> list[Any]:
    """`value` when it is a JSON array; nothing is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidSpec(f"{where} is no array")
    return value


def words(where: str, value: Any) -> list[str]:
    """`value` when it is a JSON array of texts."""
    found = items(where, value)
    for item in found:
        if not isinstance(item, str) or not item:
            raise InvalidSpec(f"{where}: {item!a} is no name")
    return found


def _rules(where: str, entry: Any) -> list[Rule]:
    names = tuple(words(f"{where}names", table(where, entry).get("names")))
    if not names:
        raise InvalidSpec(f"{where}names: there is no system call in it: name one, or take the entry out")
    action = _action(where, entry, "action", "errnoRet")
    if action == NOTIFY:
        for name in _NEVER_ASKED:
            if name in names:
                raise InvalidSpec(
                    f"{where}action: SCMP_ACT_NOTIFY can't be had for {name}: the container's start needs that call"
                )
    conditions = tuple(
        _condition(f"{where}args[{index}].", item)
        for index, item in enumerate(items(f"{where}args", entry.get("args")))
    )
    if len({condition.index for condition in conditions}) < len(conditions):
        # As runc has it: conditions on one argument are alternatives.
        return [Rule(names=names, action=action, conditions=(condition,)) for condition in conditions]
    return [Rule(names=names, action=action, conditions=conditions)]


def _condition(where: str, entry: Any) -> Condition:
    op = table(where, entry).get("op")
    if not isinstance(op, str) or op.removeprefix("SCMP_CMP_") not in COMPARISONS or not op.startswith("SCMP_CMP_"):
        raise InvalidSpec(f"{where}op: {op!a} is no comparison: write SCMP_CMP_ and one of {', '.join(COMPARISONS)}")
    return Condition(
        index=_number(where, entry, "index", 5),
        op=op[len("SCMP_CMP_") :],
        value=_number(where, entry, "value", (1 << 64) - 1),
        second=_number(where, entry, "valueTwo", (1 << 64) - 1, optional=True),
    )


def _number(where: str, entry: dict[str, Any], key: str, most: int, *, optional: bool = False) -> int:
    value = entry.get(key)
    if value is None and optional:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise InvalidSpec(f"{where}{key}: {value!a} is no whole number from 0 to {most}")
    return value


def _action(where: str, entry: dict[str, Any], key: str, errno_key: str) -> int:
    name = entry.get(key)
    if not isinstance(name, str) or name not in ACTIONS:
        raise InvalidSpec(f"{where}{key}: {name!a} is no action: write one of {', '.join(ACTIONS)}")
    action = ACTIONS[name]
    given = entry.get(errno_key) is not None
    if action in (ERRNO, TRACE):
        return action | (_number(where, entry, errno_key, _LARGEST_ERRNO) if given else _EPERM)
    if given:
        raise InvalidSpec(f"{where}{errno_key}: {name} has no error number: take it out")
    return action


def _architectures(where: str, seccomp: dict[str, Any], family: tuple[str, ...]) -> tuple[str, ...]:
    named = [name.removeprefix("SCMP_ARCH_") for name in words(f"{where}architectures", seccomp.get("architectures"))]
    for name in named:
        if name not in ARCHITECTURES:
            raise InvalidSpec(
                f"{where}architectures: {name!a} is none: write SCMP_ARCH_ and one of {', '.join(ARCHITECTURES)}"
            )
    return (family[0], *(kind for kind in family[1:] if kind in named))


def _flags(where: str, seccomp: dict[str, Any], asks: bool) -> int:
    # As runc has it: who says nothing about flags gets what costs least.
    given = seccomp.get("flags")
    names = ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"] if given is None else words(f"{where}flags", given)
    flags = FLAG_NEW_LISTENER if asks else 0
    for name in names:
        if name not in _FLAGS:
            raise InvalidSpec(f"{where}flags: {name!a} is none: write one of {', '.join(_FLAGS)}")
        flags |= _FLAGS[name]
    # seccomp(2): EINVAL without a listener.
    return flags if asks else flags & ~_WAIT_KILLABLE


def _check_listener(where: str, seccomp: dict[str, Any], *, asks: bool) -> None:
    path, metadata = (seccomp.get(key) or "" for key in ("listenerPath", "listenerMetadata"))
    for key, value in (("listenerPath", path), ("listenerMetadata", metadata)):
        if not isinstance(value, str):
            raise InvalidSpec(f"{where}{key}: {value!a} is no text")
    if metadata and not path:
        raise InvalidSpec(f"{where}listenerMetadata needs a listenerPath")
    if asks and not path:
        raise InvalidSpec(f"{where}listenerPath: SCMP_ACT_NOTIFY needs one")
