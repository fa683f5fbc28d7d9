# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer's tar put together from its tree and from a description of all that is not the content of files, byte for byte.

With a description the blob need not be kept. It holds the tar's headers and padding themselves, so that it depends neither on
how an engine of today writes a tar nor on times, modes and owners in the tree; only contents are taken from there.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib

from .. import jsontext
from ..digests import PREFIX, hex_of, is_digest
from ..errors import Damaged, KernelError
from ..kernel.files import open_beneath
from ..values import Value
from .census import Census
from .entries import FILE, show
from .limits import MIB, UNBOUNDED
from .stream import FileStream, Stream
from .tarread import read_tar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..paths import Paths

# One line of JSON, then a zlib stream of pieces: L and a length, then so many bytes of the tar; or F and a length, then offset,
# CRC-32 and the path's length, then the path: so many bytes of that file.
_HEAD, _PLACE = struct.Struct(">cQ"), struct.Struct(">QIH")
_LITERAL, _CONTENT = b"L", b"F"
_FORMAT, _LONGEST = 1, 4096
_BATCH = MIB // 4
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class Head(Value):
    """Which tree a description is of: its layer's chain id. `size` is the blob's, in bytes."""

    chain: str
    size: int


def path_of(paths: Paths, digest: str) -> str:
    """Where the description of that blob lies, or would."""
    return f"{paths.root}/derived/{hex_of(digest)}"


def names(paths: Paths) -> list[str]:
    """What is in the directory of descriptions, sorted: a blob's hexadecimal digits each."""
    try:
        return sorted(os.listdir(f"{paths.root}/derived"))
    except FileNotFoundError:
        return []


def trees(paths: Paths, blobs: set[str]) -> set[str]:
    """The layers whose trees these blobs come from, all as hexadecimal digits."""
    found = set()
    for name in names(paths):
        if name in blobs:
            descriptor = os.open(f"{paths.root}/derived/{name}", _READ | os.O_CLOEXEC)
            try:
                head = read_head(descriptor)
            finally:
                os.close(descriptor)
            if head:
                found.add(hex_of(head[0].chain))
    return found


def forget(paths: Paths, digest: str) -> None:
    """The blob itself is there (again). The caller holds `layout.changing`."""
    try:
        os.unlink(path_of(paths, digest))
    except FileNotFoundError:
        return


def read_head(descriptor: int) -> tuple[Head, int] | None:
    """What the open description is of, and where its pieces begin; None when it is none."""
    line, newline, _rest = os.pread(descriptor, _LONGEST, 0).partition(b"\n")
    try:
        fields = jsontext.loads(line)
    except (ValueError, RecursionError):
        return None
    if not newline or not isinstance(fields, dict) or fields.get("format") != _FORMAT:
        return None
    chain, size = fields.get("chain"), fields.get("size")
    if not is_digest(chain) or not isinstance(size, int):
        return None
    return Head(chain=str(chain), size=size), len(line) + 1


def describe(blob: int, tree: int, chain: str, write: Callable[[bytes], object]) -> str:
    """Write how the tar open at `blob` comes from the directory open at `tree`. The digest of what comes from it: only if that
    is the blob's may the blob go. An EngineError when it is no tar, or the tree lacks a file of it."""
    size = os.fstat(blob).st_size
    write(jsontext.dumps({"format": _FORMAT, "chain": chain, "size": size}).encode() + b"\n")
    made = _Description(blob, tree, write)
    stream, census, at = FileStream(blob), Census(UNBOUNDED), 0
    for entry in read_tar(stream):
        if not census.admit(entry) or entry.kind != FILE or not entry.stored:
            continue
        start = stream.position
        made.literal(at, start)
        for offset, length in entry.extents or ((0, entry.size),):
            made.content(entry.path, offset, length)
        at = start + entry.stored
    made.literal(at, size)
    return made.close()


class _Description:
    def __init__(self, blob: int, tree: int, write: Callable[[bytes], object]) -> None:
        import hashlib

        self._blob, self._tree, self._write = blob, tree, write
        self._packer, self._total = zlib.compressobj(), hashlib.sha256()

    def literal(self, start: int, end: int) -> None:
        """The bytes of the tar from `start` to `end`."""
        if start == end:
            return
        self._pack(_HEAD.pack(_LITERAL, end - start))
        for data in _read(self._blob, start, end - start):
            self._total.update(data)
            self._pack(data)

    def content(self, path: bytes, offset: int, length: int) -> None:
        """Bytes of a file in the tree."""
        check = 0
        descriptor = _open(self._tree, path)
        try:
            for data in _read(descriptor, offset, length):
                self._total.update(data)
                check = zlib.crc32(data, check)
        finally:
            os.close(descriptor)
        self._pack(_HEAD.pack(_CONTENT, length) + _PLACE.pack(offset, check, len(path)) + path)

    def close(self) -> str:
        self._write(self._packer.flush())
        return PREFIX + self._total.hexdigest()

    def _pack(self, data: bytes) -> None:
        if packed := self._packer.compress(data):
            self._write(packed)


def _open(tree: int, path: bytes) -> int:
    try:
        descriptor = open_beneath(tree, path, _READ)
    except KernelError as error:
        raise Damaged(f"the layer's file {show(path)} can't be read: {os.strerror(error.errno)}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Damaged(f"the layer's file {show(path)} is no regular file")
    return descriptor


def _read(descriptor: int, offset: int, length: int) -> Iterator[bytes]:
    """So many bytes from there; fewer only when the file ends."""
    while length:
        data = os.pread(descriptor, min(length, MIB), offset)
        if not data:
            return
        yield data
        offset, length = offset + len(data), length - len(data)


def assemble(description: int, begin: int, tree: int, start: int = 0) -> Iterator[bytes]:
    """The tar's bytes from `start` on, of a description open at `description` whose pieces begin at `begin`.

    Damaged when it is none, or a file has another content than it had; whether all is there only the tar's digest says.
    """
    batch: list[bytes] = []
    held = at = 0
    for data in _pieces(description, begin, tree, start):
        skipped = min(max(start - at, 0), len(data))
        at += len(data)
        if skipped == len(data):
            continue
        batch.append(data[skipped:] if skipped else data)
        held += len(batch[-1])
        if held >= _BATCH:
            yield batch[0] if len(batch) == 1 else b"".join(batch)
            batch, held = [], 0
    if batch:
        yield b"".join(batch)


def _pieces(description: int, begin: int, tree: int, start: int) -> Iterator[bytes]:
    stream, at = Stream(_unpacked(description, begin)), 0
    while head := stream.take(_HEAD.size):
        kind, length = _HEAD.unpack(_whole(head, _HEAD.size))
        at += length
        if kind == _LITERAL:
            while length:
                data = _whole(stream.take(min(length, MIB)), min(length, MIB))
                yield data
                length -= len(data)
            continue
        if kind != _CONTENT:
            raise Damaged("the description of a layer's blob is none")
        offset, check, long = _PLACE.unpack(_whole(stream.take(_PLACE.size), _PLACE.size))
        path = _whole(stream.take(long), long)
        yield from _content(tree, path, offset, length, check) if at > start else _skipped(length)


def _whole(data: bytes, length: int) -> bytes:
    if len(data) < length:
        raise Damaged("the description of a layer's blob is cut")
    return data


def _skipped(length: int) -> Iterator[bytes]:
    """Bytes that nobody asked for."""
    zeros = bytes(min(length, MIB))
    while length:
        yield zeros[:length]
        length -= min(length, MIB)


def _content(tree: int, path: bytes, offset: int, length: int, check: int) -> Iterator[bytes]:
    found, descriptor = 0, _open(tree, path)
    try:
        for data in _read(descriptor, offset, length):
            found = zlib.crc32(data, found)
            length -= len(data)
            yield data
    finally:
        os.close(descriptor)
    if length or found != check:
        raise Damaged(f"the layer's file {show(path)} has another content than it had")


def _unpacked(description: int, begin: int) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    try:
        while data := os.pread(description, MIB // 16, begin):
            begin += len(data)
            while data:
                yield unpacker.decompress(data, MIB)
                data = unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error:
        raise Damaged("the description of a layer's blob is damaged") from None
    if not unpacker.eof:
        raise Damaged("the description of a layer's blob is cut")
