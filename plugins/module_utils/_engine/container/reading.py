# SPDX-License-Identifier: GPL-3.0-or-later
"""The simplest readers of options, shared by those of every subject: a value in its canonical form, or an error naming the option."""

from __future__ import annotations

from ..errors import InvalidSpec
from ..names import check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_DIGITS = frozenset("0123456789")
_LONGEST_NUMBER = 18


def scalar(option: str, value: object) -> str:
    """A text, number or truth as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise InvalidSpec(f"{option}: {value!a} is not a text")
    text = str(value)
    if "\0" in text:
        raise InvalidSpec(f"{option}: {text!a} holds a NUL character")
    return text


def text(option: str, value: object) -> str:
    """The same, and not empty."""
    read = scalar(option, value)
    if not read:
        raise InvalidSpec(f"{option} is empty: leave it out, or give a value")
    return read


def items(option: str, value: object) -> tuple[str, ...]:
    """A list of texts; a single text is cut at its commas."""
    if isinstance(value, str):
        value = [item for item in value.split(",") if item]
    if not isinstance(value, (list, tuple)):
        raise InvalidSpec(f"{option}: {value!a} is not a list")
    return tuple(scalar(option, item) for item in value)


def mapping(option: str, value: object) -> dict[str, str]:
    """A dictionary of texts, in the order of its keys."""
    if not isinstance(value, dict):
        raise InvalidSpec(f"{option}: {value!a} is not a dictionary")
    pairs = {text(option, key): scalar(f"{option}.{key}", item) for key, item in value.items()}
    return dict(sorted(pairs.items()))


def truth(option: str, value: object) -> bool:
    """True or false, and nothing like it."""
    if not isinstance(value, bool):
        raise InvalidSpec(f"{option}: {value!a} is neither true nor false")
    return value


def absolute(option: str, path: str) -> str:
    """An absolute path without detours."""
    import os.path

    if not path.startswith("/"):
        raise InvalidSpec(f"{option}: {path!a} is not an absolute path")
    return os.path.normpath(path.replace("//", "/"))


def integer(option: str, value: object, least: int, most: int) -> int:
    """A whole number between two others; int() would take blanks, underscores and other digits."""
    written = scalar(option, value)
    digits = written.removeprefix("-")
    if isinstance(value, bool) or not 0 < len(digits) <= _LONGEST_NUMBER or not _DIGITS.issuperset(digits):
        raise InvalidSpec(f"{option}: {value!a} is no whole number")
    if not least <= int(written) <= most:
        raise InvalidSpec(f"{option}: {written} is not between {least} and {most}")
    return int(written)


def one_of(*words: str, of_container: bool = False) -> Callable[[str, object], Any]:
    """A reader of a few words, and of container:NAME if it may be `of_container`."""
    listed = ", ".join(words[:-1]) + (f", {words[-1]}" if of_container else f" or {words[-1]}")

    def read(option: str, value: object) -> str:
        kind, colon, name = str(value).partition(":")
        if of_container and colon and kind == "container":
            return f"container:{check_name(name)}"
        if value not in words:
            more = " or container:NAME" if of_container else ""
            raise InvalidSpec(f"{option}: {value!a} is not known: use {listed}{more}")
        return str(value)

    return read
