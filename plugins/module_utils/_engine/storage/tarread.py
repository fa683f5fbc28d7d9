# SPDX-License-Identifier: GPL-3.0-or-later
"""A tar as a sequence of entries, for input that nobody vouches for.

Reads ustar, PAX, GNU long names, base-256 numbers and all sparse formats of GNU tar. Where two parsers could differ about
where a member begins, ends or lies (CVE-2025-62518), the archive is refused. What names mean is `census`'s to decide.
"""

from __future__ import annotations

from ..errors import Refused
from . import pax, sparse
from .entries import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, HARDLINK, SYMLINK, Entry, kept_xattr, portable_value, show
from .limits import FILE as LARGEST
from .limits import HEADER, IDENTIFIER
from .tarnumbers import SECOND, read_decimal, read_number, read_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .entries import Piece
    from .stream import Stream

RECORD = 512
_ZEROS = bytes(RECORD)
_KINDS = {
    b"0": FILE, b"\0": FILE, b"7": FILE, b"S": FILE, b"1": HARDLINK, b"2": SYMLINK,
    b"3": CHARACTER, b"4": BLOCK, b"5": DIRECTORY, b"6": FIFO,
}  # fmt: skip
_XATTR = b"SCHILY.xattr."
_OCTAL_SIZE_END = 1 << 33  # eleven octal digits: a header can say any size below


def read_tar(stream: Stream) -> Iterator[Entry]:
    """The members in order. An entry's content must be used up, or left alone, before the next is asked for.

    Refused when the archive is cut, is no tar, or is ambiguous. After the last member the stream is read to its end.
    """
    reader = _Reader(stream)
    while (entry := reader.next()) is not None:
        yield entry
    _read_trailer(stream)


class _Reader:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._globals: dict[bytes, bytes] = {}
        self._members = 0
        self._left = self._padding = 0

    def next(self) -> Entry | None:
        """The next member, its extension headers applied; None at the archive's end."""
        self._skip()
        records, names = dict(self._globals), dict[bytes, bytes]()
        fresh = True
        while True:
            header = self._header()
            if header is None:
                if not fresh:
                    raise Refused("the tar is cut: an extension header has no member")
                return None
            kind = header[156:157]
            if kind == b"x":
                records = pax.parse(self._text(header), records)
            elif kind == b"g":
                self._globals = pax.parse_global(self._text(header), self._globals)
                records = {**self._globals, **records}
            elif kind in (b"L", b"K"):
                names[kind] = self._text(header).rstrip(b"\0")
            else:
                self._members += 1
                return self._entry(header, records, names)
            fresh = False

    def _header(self) -> bytes | None:
        header = self._stream.take(RECORD)
        if header == _ZEROS:
            return None
        if len(header) < RECORD:
            raise Refused(
                "the tar is cut: it ends without its end mark" if self._members or header else "an empty file is no tar"
            )
        stored = read_number(header[148:156], "checksum")
        if stored != sum(header[:148]) + 256 + sum(header[156:]) or header[257:265] not in _MAGIC:
            raise Refused("the tar is damaged: a header's checksum is wrong" if self._members else "this is no tar")
        return header

    def _text(self, header: bytes) -> bytes:
        size = _size(read_number(header[124:136], "size"))
        if size > HEADER:
            raise Refused(f"a tar extension header of {size} bytes is longer than {HEADER}")
        data = self._stream.take(size)
        padding = self._stream.take(-size % RECORD)
        if len(data) < size or len(padding) < -size % RECORD:
            raise Refused("the tar is cut inside an extension header")
        return data

    def _entry(self, header: bytes, records: dict[bytes, bytes], names: dict[bytes, bytes]) -> Entry:
        kind = _KINDS.get(header[156:157])
        if kind is None:
            raise Refused(f"the tar has a member of type {header[156:157]!a}, which no layer can hold")
        path = _name(header, records, names)
        if header[156:157] == b"\0" and path.endswith(b"/"):
            kind = DIRECTORY
        size = _member_size(header, records, path)
        if size and kind != FILE:
            raise Refused(f"the tar's member {show(path)} has data and is no regular file")
        self._left, self._padding = size, -size % RECORD
        entry = Entry(path, kind, size=size, **_attributes(header, records))  # type: ignore[arg-type]
        if kind in (HARDLINK, SYMLINK):
            entry.link = _link(header, records, names, path)
        elif kind in (CHARACTER, BLOCK):
            entry.rdev = (read_number(header[329:337], "device"), read_number(header[337:345], "device"))
        elif kind == FILE:
            self._give_content(entry, header, records)
        return entry

    def _give_content(self, entry: Entry, header: bytes, records: dict[bytes, bytes]) -> None:
        found = sparse.read_map(header, records, self._take)
        if found is None:
            entry.content = self._content(((0, entry.size),))
            return
        entry.size, entry.extents = found
        if entry.stored != self._left:
            raise Refused(f"the tar's sparse member {show(entry.path)} has another amount of data than its map says")
        entry.content = self._content(entry.extents)

    def _take(self, count: int, *, inside: bool) -> bytes:
        """More of a sparse map: blocks between header and data (old GNU), or the beginning of the data (PAX 1.0)."""
        if inside:
            if count > self._left:
                raise Refused("a sparse member's map is longer than its data")
            self._left -= count
        data = self._stream.take(count)
        if len(data) < count:
            raise Refused("the tar is cut inside a sparse map")
        return data

    def _content(self, extents: tuple[tuple[int, int], ...]) -> Iterator[tuple[int, Piece]]:
        for offset, length in extents:
            while length:
                piece = self._stream.piece(length)
                if not piece:
                    raise Refused("the tar is cut inside a member")
                self._left -= len(piece)
                yield offset, piece
                offset, length = offset + len(piece), length - len(piece)

    def _skip(self) -> None:
        """Go to the end of the present member, whether or not its content was read."""
        if not self._stream.skip(self._left + self._padding):
            raise Refused("the tar is cut inside a member")
        self._left = self._padding = 0


_MAGIC = (b"ustar\x0000", b"ustar  \0", bytes(8))


def _name(header: bytes, records: dict[bytes, bytes], names: dict[bytes, bytes]) -> bytes:
    short = _string(header[0:100])
    if header[257:265] == b"ustar\x0000" and header[345] != 0:
        short = _string(header[345:500]) + b"/" + short
    long, extended = names.get(b"L"), records.get(b"path")
    if long is not None and extended is not None and long != extended:
        raise Refused(f"the tar gives one member two names: {show(long)} and {show(extended)}")
    name = records.get(b"GNU.sparse.name", extended if extended is not None else long if long is not None else short)
    return _no_nul(name)


def _link(header: bytes, records: dict[bytes, bytes], names: dict[bytes, bytes], path: bytes) -> bytes:
    long, extended = names.get(b"K"), records.get(b"linkpath")
    if long is not None and extended is not None and long != extended:
        raise Refused(f"the tar gives the link {show(path)} two targets")
    target = extended if extended is not None else long if long is not None else _string(header[157:257])
    if not target:
        raise Refused(f"the tar's link {show(path)} leads nowhere")
    return _no_nul(target)


def _member_size(header: bytes, records: dict[bytes, bytes], path: bytes) -> int:
    said = _size(read_number(header[124:136], "size"))
    if b"size" not in records:
        return said
    size = _size(read_decimal(records[b"size"], "size"))
    if size != said and size < _OCTAL_SIZE_END:
        raise Refused(f"the tar gives the member {show(path)} two sizes: {said} and {size}")
    return size


def _attributes(header: bytes, records: dict[bytes, bytes]) -> dict[str, object]:
    uid, gid = records.get(b"uid"), records.get(b"gid")
    mtime = records.get(b"mtime")
    return {
        "mode": read_number(header[100:108], "mode") & 0o7777,
        "uid": _identifier(read_decimal(uid, "uid") if uid is not None else read_number(header[108:116], "uid")),
        "gid": _identifier(read_decimal(gid, "gid") if gid is not None else read_number(header[116:124], "gid")),
        "mtime": _time(read_time(mtime) if mtime is not None else read_number(header[136:148], "mtime") * SECOND),
        "xattrs": _xattrs(records),
    }


def _xattrs(records: dict[bytes, bytes]) -> dict[bytes, bytes]:
    found = {}
    for key, value in records.items():
        if key.startswith(_XATTR):
            name = key[len(_XATTR) :]
            if kept_xattr(name):
                found[name] = portable_value(name, value)
    return found


def _string(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _no_nul(name: bytes) -> bytes:
    if b"\0" in name:
        raise Refused(f"the tar has a name with a NUL in it: {show(name)}")
    return name


def _size(size: int) -> int:
    if not 0 <= size <= LARGEST:
        raise Refused(f"the tar has a member of {size} bytes")
    return size


def _identifier(number: int) -> int:
    if not 0 <= number <= IDENTIFIER:
        raise Refused(f"the tar has an owner {number}: owners are 0 to {IDENTIFIER}")
    return number


def _time(nanoseconds: int) -> int:
    if not -(1 << 31) * SECOND <= nanoseconds <= (1 << 34) * SECOND:
        raise Refused("the tar has a member dated outside the years 1901 to 2514")
    return nanoseconds


def _read_trailer(stream: Stream) -> None:
    if stream.take(RECORD) != _ZEROS:
        raise Refused("the tar is cut: its end mark is not whole")
    while piece := stream.piece(1 << 20):
        if bytes(piece).strip(b"\0"):
            raise Refused("the tar goes on after its end mark")
