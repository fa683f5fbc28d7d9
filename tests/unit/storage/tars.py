# SPDX-License-Identifier: GPL-3.0-or-later
"""Tars built header by header, so that a test can say anything in them that no honest writer would."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.berth.containers.plugins.module_utils._engine.storage.entries import FILE, Entry
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.stream import Stream
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.tarread import read_tar
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.tarwrite import TarWriter

END = bytes(1024)


def header(
    name: bytes,
    kind: bytes = b"0",
    *,
    size: int | bytes = 0,
    mode: int | bytes = 0o644,
    uid: int | bytes = 0,
    mtime: int | bytes = 0,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    device: tuple[int, int] = (0, 0),
    prefix: bytes = b"",
) -> bytes:
    """One header with a right checksum; a field given as bytes is written as it is."""

    def number(value: int | bytes, width: int) -> bytes:
        return value.ljust(width, b"\0") if isinstance(value, bytes) else b"%0*o\0" % (width - 1, value)

    fields = (
        name.ljust(100, b"\0")
        + number(mode, 8)
        + number(uid, 8)
        + number(0, 8)
        + number(size, 12)
        + number(mtime, 12)
        + b" " * 8
        + kind
        + link.ljust(100, b"\0")
        + magic
        + bytes(64)
        + number(device[0], 8)
        + number(device[1], 8)
        + prefix.ljust(155, b"\0")
    ).ljust(512, b"\0")
    return fields[:148] + b"%06o\0 " % sum(fields) + fields[156:]


def padded(data: bytes) -> bytes:
    """Data filled up to whole records."""
    return data + bytes(-len(data) % 512)


def member(name: bytes, data: bytes = b"", kind: bytes = b"0", **fields: object) -> bytes:
    """A header and its data."""
    return header(name, kind, **{"size": len(data), **fields}) + padded(data)  # type: ignore[arg-type]


def record(key: bytes, value: bytes) -> bytes:
    """One PAX record."""
    length = len(key) + len(value) + 3
    total = length + len(str(length))
    total = length + len(str(total))
    return b"%d %s=%s\n" % (total, key, value)


def extended(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    """A PAX header with those records."""
    return member(b"PaxHeader", b"".join(record(key, value) for key, value in records), kind)


def read(data: bytes, block: int = 1 << 20) -> Iterator[tuple[Entry, bytes]]:
    """The members with their data, holes filled in."""
    stream = Stream(data[at : at + block] for at in range(0, len(data), block))
    for entry in read_tar(stream):
        content = bytearray(entry.size if entry.kind == FILE else 0)
        for offset, piece in entry.content:
            content[offset : offset + len(piece)] = piece
        yield entry, bytes(content)


def write(entries: list[Entry]) -> bytes:
    """The tar that our writer makes of them."""
    parts: list[bytes] = []
    writer = TarWriter(lambda piece: parts.append(bytes(piece)))
    for entry in entries:
        entry.pour((writer,))
    writer.close()
    return b"".join(parts)
