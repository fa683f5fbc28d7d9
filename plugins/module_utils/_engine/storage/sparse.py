# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the data of a sparse member lies: GNU tar's old format and its PAX formats 0.0, 0.1 and 1.0, read; 1.0, written."""

from __future__ import annotations

from ..errors import Refused
from .limits import FILE, HEADER
from .tarnumbers import read_decimal, read_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Take(Protocol):
        def __call__(self, count: int, *, inside: bool) -> bytes: ...

    Extents = tuple[tuple[int, int], ...]

_MAJOR, _MINOR = b"GNU.sparse.major", b"GNU.sparse.minor"
_RECORD = 512


def read_map(header: bytes, records: dict[bytes, bytes], take: Take) -> tuple[int, Extents] | None:
    """(apparent size, extents in order), or None for a member without holes. Refused when they overlap or lie outside."""
    if header[156:157] == b"S":
        return _checked(read_number(header[483:495], "real size"), _old_spans(header, take))
    if _MAJOR in records or _MINOR in records:
        if (records.get(_MAJOR), records.get(_MINOR)) != (b"1", b"0"):
            raise Refused("the tar has a sparse member of an unknown format")
        return _checked(read_decimal(records.get(b"GNU.sparse.realsize", b""), "real size"), _inner_spans(take))
    if b"GNU.sparse.map" in records:
        numbers = [read_decimal(text, "sparse map") for text in records[b"GNU.sparse.map"].split(b",")]
        if len(numbers) % 2 or read_decimal(records.get(b"GNU.sparse.numblocks", b""), "sparse map") * 2 != len(
            numbers
        ):
            raise Refused("a sparse member's map has another length than it says")
        return _checked(read_decimal(records.get(b"GNU.sparse.size", b""), "real size"), numbers)
    if b"GNU.sparse.size" in records:
        return _checked(read_decimal(records[b"GNU.sparse.size"], "real size"), [])
    return None


def _old_spans(header: bytes, take: Take) -> list[int]:
    numbers = _fields(header[386:482])
    more = header[482]
    while more:
        block = take(_RECORD, inside=False)
        numbers += _fields(block[:504])
        more = block[504]
        if len(numbers) * 12 > HEADER:
            raise Refused("a sparse member's map is too long")
    return numbers


def _fields(data: bytes) -> list[int]:
    numbers = []
    for at in range(0, len(data), 24):
        if not data[at] or not data[at + 12]:
            break
        numbers += [read_number(data[at : at + 12], "sparse map"), read_number(data[at + 12 : at + 24], "sparse map")]
    return numbers


def _inner_spans(take: Take) -> list[int]:
    """Decimal numbers, one a line, the count of pairs first; they fill whole records at the beginning of the data."""
    lines: list[bytes] = []
    text, wanted = b"", 1
    taken = 0
    while len(lines) < wanted:
        text += take(_RECORD, inside=True)
        taken += _RECORD
        if taken > HEADER:
            raise Refused("a sparse member's map is too long")
        *whole, text = text.split(b"\n")
        lines += whole
        if len(text) > 21 and text.strip(b"\0"):
            raise Refused("a sparse member's map is damaged")
        if lines and wanted == 1:
            wanted = 1 + 2 * read_decimal(lines[0], "sparse map")
            if wanted > HEADER:
                raise Refused("a sparse member's map is too long")
    return [read_decimal(line, "sparse map") for line in lines[1:wanted]]


def _checked(size: int, numbers: list[int]) -> tuple[int, Extents]:
    extents, end = [], 0
    for offset, length in zip(numbers[0::2], numbers[1::2]):
        if offset < end or length < 0 or offset + length > size:
            raise Refused("a sparse member's map overlaps or goes beyond its end")
        end = offset + length
        if length:
            extents.append((offset, length))
    if not 0 <= size <= FILE:
        raise Refused(f"the tar has a sparse member of {size} bytes")
    return size, tuple(extents)


def pack_map(extents: Extents, size: int) -> bytes:
    """The map of PAX 1.0, padded to whole records. As GNU tar does, an empty last extent marks where the file ends."""
    spans = list(extents)
    if not spans or sum(spans[-1]) < size:
        spans.append((size, 0))
    text = b"%d\n" % len(spans) + b"".join(b"%d\n%d\n" % span for span in spans)
    return text + bytes(-len(text) % _RECORD)
