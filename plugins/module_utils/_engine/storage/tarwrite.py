# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries as a tar that is the same bytes for the same entries: ustar, and PAX only where ustar can't say it.

Times keep their nanoseconds (a PAX record, only where there are any); names that are not UTF-8 are marked hdrcharset=BINARY;
a file with holes is GNU's PAX 1.0 sparse member. Owners are numbers; atime and ctime are left out.
"""

from __future__ import annotations

from . import pax, sparse
from .census import OPAQUE_NAME, WHITEOUT_PREFIX
from .entries import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, HARDLINK, OPAQUE, SYMLINK, WHITEOUT, Entry
from .tarnumbers import SECOND, show_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .entries import Piece

RECORD = 512
END = bytes(2 * RECORD)
_FLAGS = {FILE: b"0", HARDLINK: b"1", SYMLINK: b"2", CHARACTER: b"3", BLOCK: b"4", DIRECTORY: b"5", FIFO: b"6"}
_XATTR = b"SCHILY.xattr."
_PADDING = [bytes(-size % RECORD) for size in range(RECORD)]


class TarWriter:
    """A sink that hands the tar's bytes to `write` in order."""

    def __init__(self, write: Callable[[Piece], object]) -> None:
        self._write = write
        self._padding = b""

    def begin(self, entry: Entry) -> None:
        """Write the header; the data of a file follows by `data`."""
        if entry.kind in (WHITEOUT, OPAQUE):
            entry = _as_file(entry)
        inner = sparse.pack_map(entry.extents, entry.size) if entry.kind == FILE and entry.extents is not None else b""
        stored = entry.stored + len(inner) if entry.kind == FILE else 0
        self._write(_headers(entry, stored, bool(inner)) + inner)
        self._padding = _PADDING[stored % RECORD]

    def data(self, _offset: int, piece: Piece) -> None:
        """Write a piece of the present file; holes are no pieces."""
        self._write(piece)

    def end(self) -> None:
        """The present file is whole."""
        if self._padding:
            self._write(self._padding)
            self._padding = b""

    def close(self) -> None:
        """Write the end mark."""
        self._write(END)


def _as_file(entry: Entry) -> Entry:
    parent, _unused, name = entry.path.rpartition(b"/")
    if entry.kind == OPAQUE:
        parent, name = entry.path, OPAQUE_NAME
    else:
        name = WHITEOUT_PREFIX + name
    return Entry(parent + b"/" + name if parent else name, FILE, mode=0o644, mtime=entry.mtime)


def _headers(entry: Entry, stored: int, holes: bool) -> bytes:
    name = entry.path
    if entry.kind == DIRECTORY:
        name = name + b"/" if name else b"./"
    records = _records(entry, name, stored, holes)
    short = _short(name)
    link = _short(entry.link) if entry.kind in (HARDLINK, SYMLINK) else b""
    header = _header(
        short, _FLAGS[entry.kind], entry.mode & 0o7777, _fits(entry.uid, 7), _fits(entry.gid, 7), _fits(stored, 11),
        _fits(entry.mtime // SECOND, 11), link, entry.rdev,
    )  # fmt: skip
    if not records:
        return header
    data = pax.pack(records)
    first = _header(b"./PaxHeaders/" + short[-60:], b"x", 0o644, 0, 0, len(data), 0, b"", (0, 0))
    return first + data + bytes(-len(data) % RECORD) + header


def _records(entry: Entry, name: bytes, stored: int, holes: bool) -> list[tuple[bytes, bytes]]:
    """The PAX records an entry needs, sorted; hdrcharset comes first because it says how to read the others."""
    records = []
    if holes:
        records += [
            (b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", name),
            (b"GNU.sparse.realsize", b"%d" % entry.size),
        ]  # fmt: skip
    records += [(_XATTR + key, value) for key, value in entry.xattrs.items()]
    for key, value in ((b"uid", entry.uid), (b"gid", entry.gid)):
        if value != _fits(value, 7):
            records.append((key, b"%d" % value))
    if entry.mtime % SECOND or entry.mtime // SECOND != _fits(entry.mtime // SECOND, 11):
        records.append((b"mtime", show_time(entry.mtime)))
    if stored != _fits(stored, 11):
        records.append((b"size", b"%d" % stored))
    if _is_long_or_foreign(name) and not holes:
        records.append((b"path", name))
    if entry.kind in (HARDLINK, SYMLINK) and _is_long_or_foreign(entry.link):
        records.append((b"linkpath", entry.link))
    records.sort()
    if any(key != b"hdrcharset" and not key.startswith(_XATTR) and not _is_utf8(value) for key, value in records):
        records.insert(0, (b"hdrcharset", b"BINARY"))
    return records


def _is_long_or_foreign(name: bytes) -> bool:
    return len(name) > 100 or not name.isascii()


def _is_utf8(value: bytes) -> bool:
    if value.isascii():
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _short(name: bytes) -> bytes:
    """What the old field of 100 bytes holds; when that is not all, a PAX record holds the truth."""
    return (
        name if not _is_long_or_foreign(name) else name[:100].decode("ascii", "replace").replace("\ufffd", "_").encode()
    )


def _fits(value: int, digits: int) -> int:
    return value if 0 <= value < 8**digits else 0


def _header(
    name: bytes, flag: bytes, mode: int, uid: int, gid: int, size: int, mtime: int, link: bytes, rdev: tuple[int, int]
) -> bytes:
    start = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(100, b"\0"), mode, uid, gid, size, mtime)
    rest = b"%s%sustar\x0000%s%07o\0%07o\0" % (flag, link.ljust(100, b"\0"), bytes(64), *rdev)
    checksum = sum(start) + sum(rest) + 256
    return (b"%s%06o\0 %s" % (start, checksum, rest)).ljust(RECORD, b"\0")
