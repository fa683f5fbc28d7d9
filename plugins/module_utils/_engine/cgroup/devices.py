# SPDX-License-Identifier: GPL-3.0-or-later
"""Which devices a group may use: `linux.resources.devices`, read in order, as one decision and as the lines of version 1."""

from __future__ import annotations

from ..errors import InvalidSpec, Unsupported
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# linux/bpf.h, bpf_cgroup_dev_ctx: the same bits in both versions.
MKNOD, READ, WRITE = 1, 2, 4
_BITS = {"m": MKNOD, "r": READ, "w": WRITE}
EVERYTHING = MKNOD | READ | WRITE
_KINDS = ("b", "c")

# What a container may use unless it is told otherwise: the nodes that every program expects, its terminals, and nothing
# else. Docker also allows mknod of any other number. A node that nobody may open is of no use to an honest program,
# and one left in a volume is a danger to whoever mounts that elsewhere, so it is not allowed here.
STANDARD: tuple[dict[str, Any], ...] = (
    {"allow": False, "access": "rwm"},
    *(
        {"allow": True, "type": "c", "major": major, "minor": minor, "access": "rwm"}
        for major, minor in (
            (1, 3), (1, 5), (1, 7), (1, 8), (1, 9),  # null zero full random urandom
            (5, 0), (5, 1), (5, 2), (136, None),  # tty console ptmx pts
        )
        # (None as a minor number is any of them.)
    ),
)  # fmt: skip
ALL: tuple[dict[str, Any], ...] = ({"allow": True, "access": "rwm"},)


def for_bundle(entries: Iterable[dict[str, Any]], nodes: Iterable[dict[str, Any]] = ()) -> tuple[dict[str, Any], ...]:
    """The rules of a bundle that others made: nothing but what they name, and the nodes that a runtime must supply.

    (config-linux.md, Default Devices; runc and crun do the same.) Of `nodes`, its linux.devices, mknod(2) stays allowed:
    where nothing is, access(2) says of a node that is there that it is not permitted.
    """
    seen = ({**node, "allow": True, "access": "m"} for node in nodes if node["type"] in ("b", "c", "u"))
    return (STANDARD[0], *entries, *seen, *STANDARD[1:])


class Rule(Value):
    """One rule: `kind` is "b", "c" or "a" for both, a number of None is any, `bits` are of MKNOD, READ and WRITE."""

    allow: bool
    kind: str
    major: int | None
    minor: int | None
    bits: int

    def covers(self, other: Rule) -> bool:
        """Whether every device of `other` is one of this rule's."""
        return all(mine in (wild, its) for mine, its, wild in self._beside(other))

    def meets(self, other: Rule) -> bool:
        """Whether a device could be of both."""
        return all(mine == its or wild in (mine, its) for mine, its, wild in self._beside(other))

    def _beside(self, other: Rule) -> tuple[tuple[Any, Any, Any], ...]:
        return (
            (self.kind, other.kind, "a"),
            (self.major, other.major, None),
            (self.minor, other.minor, None),
        )

    def names(self) -> tuple[str, ...]:
        """What devices.allow and devices.deny call it; there "a" is every device, whatever numbers follow."""
        major, minor = ("*" if number is None else number for number in (self.major, self.minor))
        kinds = _KINDS if self.kind == "a" else (self.kind,)
        return tuple(f"{kind} {major}:{minor}" for kind in kinds)


class Decision(Value):
    """`allow` is for every device but `exceptions`, whose rules are all of the other kind and don't depend on their order."""

    allow: bool
    exceptions: tuple[Rule, ...]

    def lines(self) -> tuple[str, ...]:
        """The exceptions as version 1 lists them: one line for a device, in the order of the rules."""
        found: dict[str, int] = {}
        for rule in self.exceptions:
            for name in rule.names():
                found[name] = found.get(name, 0) | rule.bits
        return tuple(f"{name} {_letters(bits)}" for name, bits in found.items())


def _letters(bits: int) -> str:
    return "".join(letter for letter in "rwm" if bits & _BITS[letter])


def read(entries: Iterable[dict[str, Any]]) -> tuple[Rule, ...]:
    """Rules of `linux.resources.devices`. InvalidSpec for one that makes no sense."""
    return tuple(_read(entry) for entry in entries)


def _read(entry: dict[str, Any]) -> Rule:
    kind, access = entry.get("type") or "a", entry.get("access") or "rwm"
    kind = "c" if kind == "u" else kind
    if kind not in ("a", *_KINDS) or not set(access) <= set(_BITS):
        raise InvalidSpec(
            f"devices: a rule of type {kind!a} and access {access!a}: types are a, b, c, access is of rwm"
        )
    major, minor = (None if entry.get(name) in (None, -1) else entry[name] for name in ("major", "minor"))
    return Rule(
        allow=bool(entry.get("allow")), kind=kind, major=major, minor=minor,
        bits=sum(_BITS[letter] for letter in set(access)),
    )  # fmt: skip


def parse(text: str, option: str = "device_cgroup_rules") -> dict[str, Any]:
    """Docker's spelling of an allowing rule, "c 13:* rwm", as an entry of `linux.resources.devices`."""
    words = text.split()
    numbers = words[1].split(":") if len(words) == 3 else []
    known = all(number == "*" or (number.isascii() and number.isdigit()) for number in numbers)
    if len(numbers) != 2 or not known or words[0] not in ("a", *_KINDS) or not set(words[2]) <= set(_BITS):
        raise InvalidSpec(
            f"{option}: {text!a} is no rule: write the type, the numbers and the access, such as c 13:* rwm"
        )
    entry: dict[str, Any] = {"allow": True, "type": words[0], "access": words[2]}
    for name, number in zip(("major", "minor"), numbers):
        if number != "*":
            entry[name] = int(number)
    return entry


def decide(rules: Iterable[Rule], *, allow: bool = True) -> Decision:
    """What the rules, in order, come to in a group that began with everything or nothing.

    Unsupported for a part taken out of a wider exception: no list of version 1 can say that.
    """
    exceptions: list[Rule] = []
    for rule in rules:
        if (rule.kind, rule.major, rule.minor, rule.bits) == ("a", None, None, EVERYTHING):
            allow, exceptions = rule.allow, []
        elif rule.allow == allow:
            exceptions = _without(exceptions, rule)
        else:
            exceptions.append(rule)
    return Decision(allow=allow, exceptions=tuple(exceptions))


def _without(exceptions: list[Rule], taken: Rule) -> list[Rule]:
    left = []
    for rule in exceptions:
        if not (taken.meets(rule) and taken.bits & rule.bits):
            left.append(rule)
        elif not taken.covers(rule):
            raise Unsupported(
                f"devices: {taken.names()[0]} is a part of {rule.names()[0]} before it, "
                "and the devices controller of cgroup v1 can't take it out: name what is wanted one by one"
            )
        elif rule.bits & ~taken.bits:
            left.append(rule.replace(bits=rule.bits & ~taken.bits))
    return left


def transition(listed: str, wanted: Decision) -> tuple[tuple[str, str], ...]:
    """(file, line) to write so that a group of version 1 whose devices.list is `listed` comes to `wanted`.

    What stays allowed is allowed all the time: a process that opens /dev/null meanwhile must not notice.
    """
    there = set(listed.splitlines())
    add, drop = ("devices.deny", "devices.allow") if wanted.allow else ("devices.allow", "devices.deny")
    if wanted.allow or "a *:* rwm" in there:
        # A list that allows does not show its exceptions, so it begins anew.
        return ((drop, "a"), *((add, line) for line in wanted.lines()))
    after = wanted.lines()
    return (*((add, line) for line in after if line not in there), *_dropped(drop, there.difference(after), set(after)))


def _dropped(file: str, lines: Iterable[str], kept: set[str]) -> tuple[tuple[str, str], ...]:
    """Only the bits that no line for the same device still has: the kernel keeps one exception for each device."""
    held: dict[str, set[str]] = {}
    for line in kept:
        device, _space, access = line.rpartition(" ")
        held.setdefault(device, set()).update(access)
    gone = []
    for line in sorted(lines):
        device, _space, access = line.rpartition(" ")
        left = "".join(letter for letter in access if letter not in held.get(device, ()))
        if left:
            gone.append((file, f"{device} {left}"))
    return tuple(gone)
