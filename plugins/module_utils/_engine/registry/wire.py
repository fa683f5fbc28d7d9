# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 in little (RFC 9112): one request over a connection of our own, and one short answer, read strictly and within bounds."""

from __future__ import annotations

import errno
import select
import time

from .challenge import TOKEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class Channel(Protocol):
        """What of a socket is needed, with TLS or without."""

        def settimeout(self, seconds: float, /) -> None: ...
        def sendall(self, data: bytes, /) -> None: ...
        def recv(self, most: int, /) -> bytes: ...
        def fileno(self) -> int: ...
        def close(self) -> None: ...


_HEAD, _LINES = 1 << 15, 100
LONGEST = 1 << 20
_PIECE = 1 << 16
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_NEVER = frozenset("\r\n\0")


class NotAsked(Exception):
    """Nothing was sent: there was no connection, or the request is none that is sent here."""


class Unusual(Exception):
    """An answer that is not read here."""


class Answer:
    """A whole answer. `headers` has them by their names in lower case; what came twice is one list, joined by commas."""

    __slots__ = ("body", "headers", "status", "version")

    def __init__(self, version: str, status: int, headers: dict[str, str]) -> None:
        self.version, self.status, self.headers, self.body = version, status, headers, b""

    @property
    def keeps(self) -> bool:
        """Whether the other side will read another request after this answer."""
        return self.version == "HTTP/1.1" and "close" not in self.headers.get("connection", "").lower()


def request_head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """The lines before the body. NotAsked for words that don't fit into such lines."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
    if " " in path or not all(line.isascii() and line.isprintable() for line in lines):
        raise NotAsked
    return "\r\n".join((*lines, "", "")).encode()


class Wire:
    """One connection. After any error, and when it is not `is_quiet`, it is to be closed."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._came, self._end = bytearray(), 0.0

    def is_quiet(self) -> bool:
        """Whether it can be used again: nothing has come since the last answer, not even its end."""
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        return not self._came and not poll.poll(0)

    def close(self) -> None:
        """Harmless twice."""
        self._channel.close()

    def ask(self, request: bytes, *, bodiless: bool, seconds: float) -> Answer:
        """The answer to a request, which is its head and its body. Each piece has that time, and so has the whole answer. OSError, Unusual.

        `bodiless`: the answer tells of a body that does not come, as that to a HEAD does.
        """
        self._channel.settimeout(seconds)
        try:
            for at in range(0, len(request), _PIECE):
                self._channel.sendall(request[at : at + _PIECE])
        except (BrokenPipeError, ConnectionResetError):
            # Whoever has heard enough may have said so before it hung up.
            pass
        self._end = time.monotonic() + seconds
        answer = _read_head(self._until(b"\r\n\r\n", _HEAD))
        if not bodiless and answer.status not in (204, 304):
            answer.body = self._body(answer)
        return answer

    def _body(self, answer: Answer) -> bytes:
        coding, length = answer.headers.get("transfer-encoding", ""), answer.headers.get("content-length")
        if coding:
            if coding.lower() != "chunked" or length is not None:
                raise Unusual
            return self._chunks()
        if length is not None:
            return self._take(_number(length, 10))
        answer.headers["connection"] = "close"
        return self._rest()

    def _chunks(self) -> bytes:
        found = bytearray()
        while size := _number(self._until(b"\r\n", _HEAD).partition(b";")[0].strip().decode("latin-1"), 16):
            found += self._take(size)
            if self._take(2) != b"\r\n" or len(found) > LONGEST:
                raise Unusual
        for _unused in range(_LINES):
            if not self._until(b"\r\n", _HEAD):
                return bytes(found)
        raise Unusual

    def _rest(self) -> bytes:
        while self._more():
            if len(self._came) > LONGEST:
                raise Unusual
        return self._cut(len(self._came))

    def _take(self, size: int) -> bytes:
        while len(self._came) < size:
            self._need()
        return self._cut(size)

    def _until(self, mark: bytes, most: int) -> bytes:
        """What comes before `mark`, which is taken too."""
        while (at := self._came.find(mark)) < 0:
            if len(self._came) > most:
                raise Unusual
            self._need()
        return self._cut(at + len(mark))[:at]

    def _cut(self, size: int) -> bytes:
        found = bytes(self._came[:size])
        del self._came[:size]
        return found

    def _need(self) -> None:
        if not self._more():
            raise ConnectionAbortedError(errno.ECONNABORTED, "it ended before the answer did")

    def _more(self) -> bool:
        self._channel.settimeout(max(self._end - time.monotonic(), 0.001))
        data = self._channel.recv(_PIECE)
        self._came += data
        return bool(data)


def _read_head(head: bytes) -> Answer:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _blank, rest = first.partition(" ")
    status = rest[:3]
    if version not in ("HTTP/1.1", "HTTP/1.0") or rest[3:4] not in ("", " ") or len(lines) > _LINES:
        raise Unusual
    found: dict[str, str] = {}
    for line in lines:
        name, colon, text = line.partition(":")
        text = text.strip(" \t")
        if not colon or not TOKEN.issuperset(name) or not name or not _NEVER.isdisjoint(text):
            raise Unusual
        name = name.lower()
        found[name] = f"{found[name]}, {text}" if name in found else text
    number = _number(status, 10)
    if not 200 <= number < 600:
        raise Unusual
    return Answer(version, number, found)


def _number(text: str, base: int) -> int:
    """Digits and nothing else; a length that is not too long."""
    if not text or len(text) > 8 or not _HEXADECIMAL.issuperset(text) or (base == 10 and not text.isdigit()):
        raise Unusual
    number = int(text, base)
    if number > LONGEST:
        raise Unusual
    return number
