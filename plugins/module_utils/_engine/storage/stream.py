# SPDX-License-Identifier: GPL-3.0-or-later
"""A file on the host as a stream of bytes, decompressed on the way and cut off where a bomb would go on."""

from __future__ import annotations

import os
import stat

from ..errors import InvalidSpec, NotFound, Refused, from_os
from ..undo import Scope, Undo
from .limits import MIB, Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from typing import Callable


BLOCK = MIB
_FEW = 1 << 14
_GZIP, _XZ, _BZIP, _ZSTD = b"\x1f\x8b", b"\xfd7zXZ\x00", b"BZh", b"\x28\xb5\x2f\xfd"
_MAGIC = 6
_XZ_MEMORY = 256 * MIB


class Stream:
    """Exact reads from blocks of bytes. `tee`, when given, sees every byte once and in order."""

    def __init__(self, blocks: Iterator[bytes], tee: Callable[[bytes], object] | None = None) -> None:
        self._blocks, self._tee = blocks, tee
        self._block = memoryview(b"")

    def _fill(self) -> bool:
        for block in self._blocks:
            if block:
                if self._tee:
                    self._tee(block)
                self._block = memoryview(block)
                return True
        return False

    def piece(self, most: int) -> memoryview:
        """Between 1 and `most` bytes; none at the end of the stream."""
        if not self._block and not self._fill():
            return self._block
        piece, self._block = self._block[:most], self._block[most:]
        return piece

    def take(self, count: int) -> bytes:
        """`count` bytes, or fewer when the stream ends first."""
        piece = self.piece(count)
        if len(piece) == count:
            return bytes(piece)
        parts = [bytes(piece)]
        missing = count - len(piece)
        while missing and piece:
            piece = self.piece(missing)
            parts.append(bytes(piece))
            missing -= len(piece)
        return b"".join(parts)

    def skip(self, count: int) -> bool:
        """Go on by `count` bytes; False when the stream ends first."""
        while count:
            piece = self.piece(count)
            if not piece:
                return False
            count -= len(piece)
        return True


class FileStream(Stream):
    """The same from an open file, whose position it does not use: what is skipped is not read. `position` is the next byte's."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(iter(()))
        self._descriptor, self._next = descriptor, 0
        self._size = os.fstat(descriptor).st_size

    @property
    def position(self) -> int:
        return self._next - len(self._block)

    def _fill(self) -> bool:
        data = os.pread(self._descriptor, _FEW, self._next)
        self._next += len(data)
        self._block = memoryview(data)
        return bool(data)

    def skip(self, count: int) -> bool:
        if count <= len(self._block):
            self._block = self._block[count:]
            return True
        self._next = self.position + count
        self._block = memoryview(b"")
        return self._next <= self._size


def open_archive(path: str, option: str = "rootfs") -> AbstractContextManager[int]:
    """A descriptor of the regular file at `path`. NotFound, or InvalidSpec when it is no regular file."""
    return Scope(lambda undo: _open_archive(undo, path, option))


def _open_archive(undo: Undo, path: str, option: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotFound(f"{option} {path!a} is not there: give the path of a directory or a tar on this host") from None
    except OSError as error:
        raise from_os(error, f"open {option} {path!a}") from error
    undo.later(lambda: os.close(descriptor))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise InvalidSpec(f"{option} {path!a} is neither a directory nor a regular file")
    return descriptor


def unpacked_blocks(descriptor: int, limits: Limits, name: str) -> Iterator[bytes]:
    """The bytes of the archive after decompression, by blocks. Refused when it is damaged or grows beyond the limits."""
    return unpacked(read_blocks(descriptor), os.fstat(descriptor).st_size, limits, name)


def unpacked(blocks: Iterator[bytes], size: int, limits: Limits, name: str) -> Iterator[bytes]:
    """What `size` bytes of a tar unpack to, whatever they are compressed with: gzip, xz, zstd or nothing. All are used up.

    Refused when it is damaged or grows beyond the limits; MissingDependency for zstd on a host that can't read it.
    """
    most = min(limits.unpacked, max(size, MIB) * limits.ratio)
    total = 0
    for block in decompressed(blocks, name):
        total += len(block)
        if total > most:
            raise Refused(f"{name} unpacks to more than {most} bytes: raise max_unpacked_size if it is meant to")
        yield block


def decompressed(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The bytes after decompression, told by their beginning."""
    from itertools import chain

    start = b""
    for block in blocks:
        start += block
        if len(start) >= _MAGIC:
            break
    whole = chain((start,), blocks)
    if start.startswith(_GZIP):
        return _gunzip(whole, name)
    if start.startswith(_XZ):
        return _unxz(whole, name)
    if start.startswith(_ZSTD):
        from .zstd import unzstd

        return unzstd(whole, name)
    if start.startswith(_BZIP):
        raise Refused(f"{name} is compressed with bzip2, which no layer is: use tar, tar.gz, tar.xz or tar.zst")
    return whole


def read_blocks(descriptor: int) -> Iterator[bytes]:
    """What an open file still has."""
    while block := os.read(descriptor, BLOCK):
        yield block


def _gunzip(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    import zlib

    decoder = zlib.decompressobj(31)
    started = False
    try:
        for data in blocks:
            while data:
                if decoder.eof is True:
                    # gzip(1) pads with zeros; anything else that follows must be a member of its own.
                    data = data.lstrip(b"\0")
                    if not data:
                        break
                    decoder = zlib.decompressobj(31)
                started = True
                # A full block means that zlib may hold more, even with its input used up.
                while len(block := decoder.decompress(data, BLOCK)) == BLOCK and not decoder.eof:
                    yield block
                    data = decoder.unconsumed_tail
                yield block
                data = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    except zlib.error as error:
        raise Refused(f"{name} is damaged gzip: {error}") from None
    if started and not decoder.eof:
        raise Refused(f"{name} is cut: its gzip data ends early")


def _unxz(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    import lzma

    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    try:
        for data in blocks:
            while data or not (decoder.needs_input or decoder.eof):
                if decoder.eof is True:
                    data = data.lstrip(b"\0")
                    if not data:
                        break
                    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
                yield decoder.decompress(data, BLOCK)
                data = decoder.unused_data if decoder.eof is True else b""
    except lzma.LZMAError as error:
        raise Refused(f"{name} is damaged xz, or wants more than 256 MiB to unpack: {error}") from None
    if not decoder.eof:
        raise Refused(f"{name} is cut: its xz data ends early")
