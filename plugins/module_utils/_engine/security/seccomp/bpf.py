# SPDX-License-Identifier: GPL-3.0-or-later
"""From a filter to a program of classic BPF that decides as the filter says for every call and architecture, in few instructions.

A call's number is found by a balanced search over ranges of equal outcome. What depends on the number alone loads nothing else,
so the kernel (5.11) finds out beforehand which calls it always allows, and doesn't run the program for them at all.
"""

from __future__ import annotations

import errno
import struct

from ...errors import InvalidSpec
from . import filters
from .numbers import ARM_BASE, X32_BIT, numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Union

    from .filters import Condition, Filter, Rule

    # What becomes of a number: an action, or rules with conditions and the action when none of them holds.
    Outcome = Union[int, tuple[tuple[Rule, ...], int]]

# include/uapi/linux/bpf_common.h
_LOAD, _AND = 0x20, 0x54
_JUMP, _IF_EQUAL, _IF_GREATER, _IF_NOT_LESS = 0x05, 0x15, 0x25, 0x35
_RETURN = 0x06
_FAR = 255
_MOST = 4096
# struct seccomp_data: nr, arch, instruction_pointer, args[6]; both families are little-endian.
_NR, _ARCH, _ARGS = 0, 4, 16
# include/uapi/linux/audit.h
_AUDIT = {"X86_64": 0xC000003E, "X86": 0x40000003, "AARCH64": 0xC00000B7, "ARM": 0x40000028}
_NARROW = ("X86", "ARM")
_NO_CALL = filters.ERRNO | errno.ENOSYS


def compile_filter(wanted: Filter) -> tuple[int, bytes]:
    """SECCOMP_FILTER_FLAG_* and the array of struct sock_filter. InvalidSpec when the kernel would not take that many.

    Of the rules for a call those with conditions come first, in their order, then the first one without. Calls of another
    architecture kill the process. A number above all that the filter names is a call that its author did not know: ENOSYS,
    as if the kernel had none, makes programs do without; where the default lets calls through, it holds for those, too.
    """
    program = Assembler()
    following = program.leave(filters.KILL_PROCESS)
    for name in reversed([kind for kind in wanted.architectures if kind != "X32"]):
        found = list(ranges(wanted, name))
        start = program.load(_NR, program.search(found, narrow=name in _NARROW))
        following = program.test(_IF_EQUAL, _AUDIT[name], start, following)
    program.load(_ARCH, following)
    code = program.code()
    if len(code) > _MOST * 8:
        raise InvalidSpec(
            f"linux.seccomp: {len(code) // 8} instructions are more than the {_MOST} that the kernel takes: use fewer rules"
        )
    return wanted.flags, code


def ranges(wanted: Filter, architecture: str) -> Iterator[tuple[int, Outcome]]:
    """Where each range of numbers with one outcome begins, upwards from 0. That of X86_64 holds x32 above its bit."""
    points: dict[int, Outcome] = {}
    _place(points, wanted, architecture, 0)
    if architecture == "X86_64":
        if "X32" in wanted.architectures:
            _place(points, wanted, "X32", X32_BIT)
        else:
            no_call = len(points) > 1 and _unknown(wanted) == _NO_CALL
            points[X32_BIT] = _NO_CALL if no_call else filters.KILL_PROCESS
    last: object = None
    for number in sorted(points):
        if points[number] != last:
            last = points[number]
            yield number, points[number]


def _place(points: dict[int, Outcome], wanted: Filter, architecture: str, first: int) -> None:
    """Enter the numbers of one architecture from `first` up, each with what follows it."""
    table = numbers(architecture)
    rules: dict[int, list[Rule]] = {}
    for rule in wanted.rules:
        for name in rule.names:
            if name in table:
                rules.setdefault(table[name], []).append(rule)
    points[first] = wanted.default
    for number in sorted(rules):
        points[number] = _outcome(rules[number], wanted.default)
        if number + 1 not in rules:
            points[number + 1] = wanted.default
    known = [number for number in rules if architecture != "ARM" or number < ARM_BASE]
    if known:
        points[max(known) + 1] = _unknown(wanted)
        if architecture == "ARM":
            points.setdefault(ARM_BASE, wanted.default)


def _unknown(wanted: Filter) -> int:
    lets_through = wanted.default & 0xFFFF0000 in (filters.ALLOW, filters.LOG, filters.TRACE)
    return wanted.default if lets_through else _NO_CALL


def _outcome(rules: list[Rule], default: int) -> Outcome:
    # As runc has it: a rule that says what the default says does not stand against another.
    last = next((rule.action for rule in rules if not rule.conditions and rule.action != default), default)
    conditional = [rule for rule in rules if rule.conditions]
    while conditional and conditional[-1].action == last:
        conditional.pop()
    return (tuple(conditional), last) if conditional else last


class Assembler:
    """Instructions from the last to the first, so that every jump knows where it leads; a place is counted from the end."""

    def __init__(self) -> None:
        self._reversed: list[tuple[int, int, int, int]] = []
        self._made: dict[object, int] = {}

    def code(self) -> bytes:
        """The program as an array of struct sock_filter."""
        return b"".join(struct.pack("=HBBI", *instruction) for instruction in reversed(self._reversed))

    def leave(self, action: int) -> int:
        """A place that ends the program with `action`."""
        place = self._made.get(action)
        if place is None or self._away(place) > _FAR - 1:
            place = self._made[action] = self._emit(_RETURN, 0, 0, action)
        return place

    def load(self, offset: int, following: int) -> int:
        """A place that loads 32 bits of struct seccomp_data and goes on at `following`."""
        return self._plain(_LOAD, offset, following)

    def test(self, code: int, value: int, true: int, false: int) -> int:
        """A place that compares what is loaded with `value`."""
        if true == false:
            return true
        false = self._near(false, _FAR - 1)
        true = self._near(true, _FAR)
        return self._emit(code, self._away(true), self._away(false), value)

    def search(self, found: list[tuple[int, Outcome]], *, narrow: bool) -> int:
        """A place that goes to the outcome of the number that is loaded. `narrow` says that arguments have 32 bits."""
        if len(found) == 1:
            return self._decide(found[0][1], narrow)
        middle = len(found) // 2
        above = self.search(found[middle:], narrow=narrow)
        below = self.search(found[:middle], narrow=narrow)
        return self.test(_IF_NOT_LESS, found[middle][0], above, below)

    def _decide(self, outcome: Outcome, narrow: bool) -> int:
        if isinstance(outcome, int):
            return self.leave(outcome)
        place = self._made.get((outcome, narrow))
        if place is None:
            rules, last = outcome
            place = self.leave(last)
            for rule in reversed(rules):
                failed, place = place, self.leave(rule.action)
                for condition in reversed(rule.conditions):
                    place = self._compare(condition, narrow, place, failed)
            self._made[outcome, narrow] = place
        return place

    def _compare(self, condition: Condition, narrow: bool, true: int, false: int) -> int:
        """Both halves of an argument; the lower one only where there is no other."""
        op, value = condition.op, condition.value
        if op in ("NE", "LT", "LE"):
            op, true, false = {"NE": "EQ", "LT": "GE", "LE": "GT"}[op], false, true
        mask = value if op == "MASKED_EQ" else (1 << 64) - 1
        if op == "MASKED_EQ":
            op, value = "EQ", condition.second & mask
        low, high = _ARGS + 8 * condition.index, _ARGS + 8 * condition.index + 4
        code = {"EQ": _IF_EQUAL, "GT": _IF_GREATER, "GE": _IF_NOT_LESS}[op]
        place = self._half(code, low, mask & 0xFFFFFFFF, value & 0xFFFFFFFF, true, false)
        if narrow:
            return place
        return self._upper(op, high, mask >> 32, value >> 32, place, true, false)

    def _upper(self, op: str, offset: int, mask: int, value: int, lower: int, true: int, false: int) -> int:
        place = self._equal(mask, value, lower, false)
        if op != "EQ":
            place = self.test(_IF_GREATER, value, true, place)
        return place if mask == 0 else self._masked(offset, mask, place)

    def _equal(self, mask: int, value: int, true: int, false: int) -> int:
        return true if mask == 0 else self.test(_IF_EQUAL, value, true, false)

    def _half(self, code: int, offset: int, mask: int, value: int, true: int, false: int) -> int:
        if mask == 0:
            return true
        return self._masked(offset, mask, self.test(code, value, true, false))

    def _masked(self, offset: int, mask: int, following: int) -> int:
        if mask != 0xFFFFFFFF:
            following = self._plain(_AND, mask, following)
        return self.load(offset, following)

    def _plain(self, code: int, value: int, following: int) -> int:
        if self._away(following):
            following = self._emit(_JUMP, 0, 0, self._away(following))
        return self._emit(code, 0, 0, value)

    def _near(self, place: int, most: int) -> int:
        """`place`, or a copy of its return or a jump to it that a conditional jump reaches."""
        if self._away(place) <= most:
            return place
        code, _unused, _unused, value = self._reversed[place]
        if code == _RETURN:
            return self.leave(value)
        return self._emit(_JUMP, 0, 0, self._away(place))

    def _away(self, place: int) -> int:
        """How many instructions lie between the next one to be emitted and `place`."""
        return len(self._reversed) - 1 - place

    def _emit(self, code: int, true: int, false: int, value: int) -> int:
        self._reversed.append((code, true, false, value))
        return len(self._reversed) - 1
