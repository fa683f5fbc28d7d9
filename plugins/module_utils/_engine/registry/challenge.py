# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registry wants to see before it answers: the WWW-Authenticate header (RFC 9110, 11.6.1), read strictly."""

from __future__ import annotations

from ..values import Value

# RFC 9110, 5.6.2.
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LONGEST = 8192


class Challenge(Value):
    """`scheme` and the names of the parameters are in lower case; a parameter that comes twice keeps its first value."""

    scheme: str
    params: dict[str, str] = {}


def parse(header: str) -> tuple[Challenge, ...]:
    """The challenges in a WWW-Authenticate header, in order; what is malformed ends the reading, and what came before counts."""
    found: list[Challenge] = []
    reader = _Reader(header[:_LONGEST])
    while True:
        reader.skip(" \t,")
        word = reader.token()
        if not word:
            return tuple(found)
        reader.skip(" \t")
        if reader.peek() != "=":
            found.append(Challenge(scheme=word.lower(), params={}))
            continue
        reader.step()
        reader.skip(" \t")
        value = reader.quoted() if reader.peek() == '"' else reader.token()
        if value is None or not found:
            return tuple(found)
        found[-1].params.setdefault(word.lower(), value)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def step(self) -> None:
        self._at += 1

    def skip(self, characters: str) -> None:
        while self.peek() and self.peek() in characters:
            self._at += 1

    def token(self) -> str:
        start = self._at
        while self.peek() in TOKEN:
            self._at += 1
        return self._text[start : self._at]

    def quoted(self) -> str | None:
        """A quoted string without its quotes and backslashes, or None when it does not end."""
        parts = []
        self.step()
        while (character := self.peek()) != '"':
            if character == "\\":
                self.step()
                character = self.peek()
            if not character:
                return None
            parts.append(character)
            self.step()
        self.step()
        return "".join(parts)
