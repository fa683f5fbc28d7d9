# SPDX-License-Identifier: GPL-3.0-or-later
"""Options declared once and read the way Docker's are; argparse reads them otherwise and costs 7 ms at every start."""

from __future__ import annotations

from ..errors import InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_TRUE = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
_COLUMN = 30


class UsageError(InvalidSpec):
    """The command line makes no sense."""


class Option:
    """`names` are "-e --env"; without `value`, the word for it in the help, it is a flag; `many` may be repeated."""

    __slots__ = ("help", "key", "many", "names", "value")

    def __init__(self, names: str, help: str, value: str = "", *, many: bool = False) -> None:  # noqa: A002
        self.names, self.help, self.value, self.many = tuple(names.split()), help, value, many
        self.key = next((name for name in self.names if name.startswith("--")), self.names[0]).lstrip("-")


class Given:
    """What was on the command line: options by the name of their first long spelling, and operands."""

    __slots__ = ("_values", "operands")

    def __init__(self, values: dict[str, list[str]], operands: Sequence[str]) -> None:
        self._values, self.operands = values, tuple(operands)

    def flag(self, key: str) -> bool:
        return _TRUE[self._values.get(key, ["false"])[-1]]

    def text(self, key: str) -> str | None:
        """The last one wins."""
        return self._values[key][-1] if key in self._values else None

    def many(self, key: str) -> tuple[str, ...]:
        return tuple(self._values.get(key, ()))


class Command:
    """`least` and `most` bound the operands; with `ends` the first operand ends the options; `runs_program` gives 125 to errors."""

    __slots__ = ("_named", "about", "ends", "least", "most", "name", "options", "runs_program", "usage")

    def __init__(
        self,
        name: str,
        usage: str,
        about: str,
        options: tuple[Option, ...] = (),
        *,
        least: int = 0,
        most: int | None = None,
        ends: bool = False,
        runs_program: bool = False,
    ) -> None:
        self.name, self.usage, self.about, self.least, self.most = name, usage, about, least, most
        self.ends, self.runs_program = ends, runs_program
        self._named = {name: option for option in options for name in option.names}
        help_names = "--help" if "-h" in self._named else "-h --help"
        self.options = (*options, Option(help_names, "show this text"))
        self._named.update(dict.fromkeys(self.options[-1].names, self.options[-1]))

    def read(self, words: Sequence[str]) -> Given:
        """Options in any of their spellings: -e X, -eX, -e=X, -it, --env X, --env=X, --rm=false, and -- to end them."""
        values: dict[str, list[str]] = {}
        operands: list[str] = []
        left = iter(words)
        for word in left:
            if word == "--":
                break
            if word.startswith("--"):
                self._long(word, left, values)
            elif word.startswith("-") and word != "-":
                self._short(word[1:], left, values)
            else:
                operands.append(word)
                if self.ends:
                    break
        return Given(values, [*operands, *left])

    def check(self, given: Given) -> None:
        """UsageError when there are too few or too many operands."""
        count = len(given.operands)
        if count < self.least or (self.most is not None and count > self.most):
            what = "too few" if count < self.least else "too many"
            raise self._error(f"{what} arguments: berth {self.name} {self.usage}")

    def help(self) -> str:
        """The text for --help."""
        usage = f"usage: berth {self.name} [OPTION...] {self.usage}".rstrip()
        return "\n".join([usage, "", self.about, "", "options:", *self.show_options()]) + "\n"

    def show_options(self) -> list[str]:
        """The options as lines of a help text."""
        lines = []
        for option in sorted(self.options, key=lambda item: item.key):
            short = next((name for name in option.names if not name.startswith("--")), "")
            others = ", ".join(name for name in option.names if name != short)
            left = f"  {f'{short}, ' if short else '    '}{others} {option.value}".rstrip()
            lines += (
                [f"{left:{_COLUMN}} {option.help}"] if len(left) < _COLUMN else [left, f"{'':{_COLUMN}} {option.help}"]
            )
        return lines

    def _long(self, word: str, left: Iterable[str], values: dict[str, list[str]]) -> None:
        name, equals, value = word.partition("=")
        option = self._find(name)
        if not option.value:
            self._add(option, value.lower() if equals else "true", values)
        elif equals:
            self._add(option, value, values)
        else:
            self._add(option, self._next(name, left), values)

    def _short(self, letters: str, left: Iterable[str], values: dict[str, list[str]]) -> None:
        word = f"-{letters}"
        while letters:
            name, letters = f"-{letters[0]}", letters[1:]
            option = self._find(name, word)
            if option.value:
                value = letters.removeprefix("=") if letters else self._next(name, left)
                return self._add(option, value, values)
            if letters.startswith("="):
                return self._add(option, letters[1:].lower(), values)
            self._add(option, "true", values)
        return None

    def _next(self, name: str, left: Iterable[str]) -> str:
        for word in left:
            return word
        raise self._error(f"{name} needs a value")

    def _add(self, option: Option, value: str, values: dict[str, list[str]]) -> None:
        if not option.value and value not in _TRUE:
            raise self._error(f"{option.names[-1]} is true or false, not {value!a}")
        values.setdefault(option.key, []).append(value)

    def _find(self, name: str, word: str = "") -> Option:
        option = self._named.get(name)
        if option is None:
            where = f" in {_shown(word)}" if len(word) > 2 else ""
            raise self._error(f"unknown option {_shown(name)}{where}{nearest(name, self._named)}")
        return option

    def _error(self, sentence: str) -> UsageError:
        where = f"{self.name}: " if self.name else ""
        return UsageError(f"{where}{sentence} (see berth {self.name} --help)".replace("  ", " "))


def nearest(word: str, known: Iterable[str]) -> str:
    """ ", did you mean X?" for the known word that is a few slips away, else ""."""
    if len(word.lstrip("-")) < 2:
        return ""
    distances = {other: _distance(word, other) for other in known if len(other.lstrip("-")) > 1}
    best = min(distances, key=distances.__getitem__, default="")
    return f", did you mean {best}?" if best and distances[best] <= max(1, len(word.lstrip("-")) // 3) else ""


def _shown(word: str) -> str:
    return word if word.isascii() and word.isprintable() and " " not in word else ascii(word)


def _distance(one: str, other: str) -> int:
    """How many letters have to be put in, left out, replaced or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, right in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]
