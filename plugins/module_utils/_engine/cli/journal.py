# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a container's log files while its supervisor writes and rotates them."""

from __future__ import annotations

import os

from .. import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_BLOCK = 1 << 16


class Line:
    """`stream` is stdout or stderr; `time` RFC 3339; `text` ends in a newline unless the line was cut or is the last."""

    __slots__ = ("stream", "text", "time")

    def __init__(self, stream: str, text: str, time: str) -> None:
        self.stream, self.text, self.time = stream, text, time


class Journal:
    """The log at `path` and its older files path.N (highest is oldest). First `tail`, then `news` as often as you like."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def tail(self, count: int | None) -> Iterator[Line]:
        """All lines there are, or the last `count` of them, oldest first."""
        files = self._open_all()
        skip = 0 if count is None else max(sum(map(_count_lines, files)) - count, 0)
        for file in files:
            self._rest = b""
            for raw in self._complete(file):
                if skip:
                    skip -= 1
                elif line := parse(raw):
                    yield line
            if file is not self._file:
                file.close()

    def news(self) -> list[Line]:
        """Complete lines that were written since the last call."""
        found: list[bytes] = []
        if self._file is None:
            self._file = self._open()
        if self._file is None:
            return []
        found += self._complete(self._file)
        if self._was_rotated(self._file):
            # What was written between the read and the rotation is in the old file still.
            found += self._complete(self._file)
            self._file.close()
            self._rest, self._file = b"", self._open()
            found += self._complete(self._file) if self._file else ()
        return [line for line in map(parse, found) if line]

    def _complete(self, file: BinaryIO) -> Iterator[bytes]:
        """The lines from here on; what has no end yet waits for it."""
        while block := file.read(_BLOCK):
            *lines, self._rest = (self._rest + block).split(b"\n")
            yield from lines

    def _was_rotated(self, file: BinaryIO) -> bool:
        try:
            return os.stat(self._path).st_ino != os.fstat(file.fileno()).st_ino
        except FileNotFoundError:
            return False

    def _open_all(self) -> list[BinaryIO]:
        """Oldest first, but opened newest first: a rotation meanwhile can make one of them appear twice, never be missed."""
        self._file = self._open()
        opened = [self._file] if self._file else []
        seen = {os.fstat(file.fileno()).st_ino for file in opened}
        number = 1
        while file := _open_log(f"{self._path}.{number}"):
            number += 1
            inode = os.fstat(file.fileno()).st_ino
            if inode in seen:
                file.close()
            else:
                seen.add(inode)
                opened.append(file)
        return opened[::-1]

    def _open(self) -> BinaryIO | None:
        return _open_log(self._path)


def _open_log(path: str) -> BinaryIO | None:
    try:
        return open(path, "rb", buffering=0)
    except FileNotFoundError:
        return None


def _count_lines(file: BinaryIO) -> int:
    count = 0
    while block := file.read(_BLOCK):
        count += block.count(b"\n")
    file.seek(0)
    return count


def parse(raw: bytes) -> Line | None:
    """A line of Docker's json-file format; None for one that a crash cut."""
    try:
        fields = jsontext.loads(raw)
        return Line(fields["stream"], fields["log"], fields["time"])
    except (ValueError, KeyError, TypeError):
        return None
