# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of PAX extended headers (POSIX.1-2001 pax, "Extended Header"): parsed strictly, written deterministically."""

from __future__ import annotations

from ..errors import Refused
from .tarnumbers import read_decimal

_GLOBAL = frozenset(
    (b"comment", b"mtime", b"atime", b"ctime", b"uid", b"gid", b"uname", b"gname", b"charset", b"hdrcharset")
)


def parse(data: bytes, previous: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """`previous` with the records of one header applied. GNU.sparse.offset and .numbytes repeat; they become one list."""
    records, spans, at = dict(previous), [], 0
    while at < len(data):
        blank = data.find(b" ", at, at + 21)
        if blank < 0:
            raise Refused("a PAX header is damaged: a record has no length")
        length = read_decimal(data[at:blank], "record length")
        end = at + length
        key, equals, value = data[blank + 1 : end - 1].partition(b"=")
        if end > len(data) or end <= blank + 2 or data[end - 1] != 0x0A or not equals or not key:
            raise Refused("a PAX header is damaged: a record does not end where it says")
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            spans.append(value)
        elif value:
            records[key] = value
        else:
            records.pop(key, None)
        at = end
    if spans:
        records[b"GNU.sparse.map"] = b",".join(spans)
    return records


def parse_global(data: bytes, previous: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """As `parse`; Refused when it would give one name or size to every member that follows."""
    records = parse(data, previous)
    for key in records:
        if key not in _GLOBAL:
            raise Refused(f"a global PAX header sets {key[:40]!a} for all members")
    return records


def pack(records: list[tuple[bytes, bytes]]) -> bytes:
    """The bytes of one extended header."""
    return b"".join(_record(key, value) for key, value in records)


def _record(key: bytes, value: bytes) -> bytes:
    base = len(key) + len(value) + 3
    length = base + len(str(base))
    length = base + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)
