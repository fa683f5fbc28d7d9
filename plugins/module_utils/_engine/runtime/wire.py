# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames between a supervisor and those attached to it: one byte of kind, four of length, then the data."""

from __future__ import annotations

STDIN, STDOUT, STDERR, CLOSE_STDIN, RESIZE, SIGNAL, EXIT = b"i", b"o", b"e", b"c", b"r", b"k", b"x"
LONGEST = 1 << 20
_HEADER = 5


def pack(kind: bytes, data: bytes = b"") -> bytes:
    """One frame."""
    return kind + len(data).to_bytes(4, "big") + data


class Reader:
    """Cuts a byte stream into frames; `feed` returns those that are complete. A length over 1 MiB is a ValueError."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        buffer, frames = self._buffer, []
        buffer += data
        while len(buffer) >= _HEADER:
            length = int.from_bytes(buffer[1:_HEADER], "big")
            if length > LONGEST:
                raise ValueError(f"a frame of {length} bytes")
            if len(buffer) < _HEADER + length:
                break
            frames.append((bytes(buffer[:1]), bytes(buffer[_HEADER : _HEADER + length])))
            del buffer[: _HEADER + length]
        return frames
