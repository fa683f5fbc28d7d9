# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's output as Docker's json-file lines, rotated by size and count, so that log shippers read it unchanged."""

from __future__ import annotations

import os
import time

from .. import jsontext

LONGEST = 16 << 10


class LogFile:
    """Appends to `path`; older files are path.1 (newest) to path.N-1. A full disk drops lines, it never stops the container."""

    __slots__ = ("_files", "_limit", "_partial", "_path", "_fd", "_size", "dropped")

    def __init__(self, path: str, limit: int, files: int) -> None:
        self._path, self._limit, self._files = path, limit, max(files, 1)
        self._partial: dict[str, bytes] = {}
        self._fd = self._size = -1
        self.dropped = 0
        self._open()

    def write(self, stream: str, data: bytes) -> None:
        """Add output of "stdout" or "stderr"; a line without its end waits for it, but no longer than 16 KiB."""
        pieces = [piece + b"\n" for piece in (self._partial.pop(stream, b"") + data).split(b"\n")]
        rest = pieces.pop()[:-1]
        if len(rest) >= LONGEST:
            pieces.append(rest)
        elif rest:
            self._partial[stream] = rest
        self._append(stream, pieces)

    def close(self) -> None:
        """Write what still waits for the end of its line."""
        for stream, rest in sorted(self._partial.items()):
            self._append(stream, [rest])
        self._partial.clear()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _append(self, stream: str, pieces: list[bytes]) -> None:
        if not pieces:
            return
        now = timestamp(time.time_ns())
        tail = f'","stream":"{stream}","time":"{now}"}}\n'.encode()
        lines = [
            b'{"log":"' + jsontext.dumps(piece.decode("utf-8", "replace"))[1:-1].encode() + tail for piece in pieces
        ]
        for start in range(0, len(lines), 512):
            self._put(lines[start : start + 512])

    def _put(self, lines: list[bytes]) -> None:
        block = b"".join(lines)
        if self._fd < 0:
            self._open()
        elif self._size and self._size + len(block) > self._limit:
            self._rotate()
        try:
            written = os.write(self._fd, block) if self._fd >= 0 else 0
        except OSError:
            written = 0
        if written < len(block):
            self.dropped += len(lines)
            if written:
                os.ftruncate(self._fd, self._size)
        else:
            self._size += written

    def _rotate(self) -> None:
        os.close(self._fd)
        for number in range(self._files - 1, 0, -1):
            _move(f"{self._path}.{number - 1}" if number > 1 else self._path, f"{self._path}.{number}")
        if self._files == 1:
            os.unlink(self._path)
        self._open()

    def _open(self) -> None:
        """Without room for a file there is none: the next write tries again."""
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._size = os.fstat(self._fd).st_size
        except OSError:
            self._fd, self._size = -1, 0


def _move(older: str, newer: str) -> None:
    try:
        os.rename(older, newer)
    except OSError:
        return  # not there yet, or no room for its name: then the older one is written on


def timestamp(nanoseconds: int) -> str:
    """RFC 3339 in UTC with nine digits, as Docker writes it."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09d}Z"
