# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory tree by descriptors: never through a symlink, never off its file system, always in the order of the names' bytes."""

from __future__ import annotations

import errno
import os
import stat

from ..errors import Conflict, Refused
from .entries import (
    BLOCK,
    CHARACTER,
    DIRECTORY,
    FILE,
    HARDLINK,
    SECOND,
    SOCKET,
    SYMLINK,
    Entry,
    kept_xattr,
    portable_value,
    show,
)
from .limits import DEPTH, MIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .entries import Extents, Piece

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = MIB
# Holes are kept in a layer when they save this much: below it a sparse member costs more than it spares.
SPARSE_WORTH = 64 * 1024
_GRAIN = 4096
_ELSEWHERE = (b"trusted.overlay.redirect", b"trusted.overlay.metacopy")
_NO_XATTRS = (errno.EOPNOTSUPP, errno.ENODATA, errno.EPERM)


class Node:
    """One name while the walk stands at it: `parent` is the directory's descriptor, good until the walk goes on."""

    __slots__ = ("depth", "foreign", "name", "parent", "path", "stat")

    def __init__(
        self, path: bytes, name: bytes, parent: int, status: os.stat_result, depth: int, foreign: bool
    ) -> None:
        self.path, self.name, self.parent, self.stat, self.depth, self.foreign = (
            path,
            name,
            parent,
            status,
            depth,
            foreign,
        )


def walk(root: int) -> Iterator[Node]:
    """Every name below the directory `root`, parents first. A directory on another file system is `foreign`, and not entered.

    `send(True)` right after a directory was yielded keeps the walk out of it.
    """
    device = os.fstat(root).st_dev
    stack = [(os.open(b".", _DIRECTORY, dir_fd=root), b"", iter(_names(root)))]
    try:
        while stack:
            parent, prefix, names = stack[-1]
            name = next(names, None)
            if name is None:
                os.close(stack.pop()[0])
                continue
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            path = prefix + name
            is_directory = stat.S_ISDIR(status.st_mode)
            node = Node(path, name, parent, status, len(stack), is_directory and status.st_dev != device)
            stay_out = yield node
            if is_directory and not node.foreign and not stay_out:
                if len(stack) >= DEPTH:
                    raise Refused(f"{show(path[:100])}... is more than {DEPTH} directories deep")
                below = os.open(name, _DIRECTORY, dir_fd=parent)
                stack.append((below, path + b"/", iter(_names(below))))
    finally:
        for descriptor, _inner, _name in stack:
            os.close(descriptor)


def _names(directory: int) -> list[bytes]:
    return sorted(os.fsencode(name) for name in os.listdir(directory))


class Reader:
    """Turns nodes of one walk into entries; knows the first name of every inode with several."""

    def __init__(self, *, newest: int | None = None) -> None:
        self._first: dict[tuple[int, int], bytes] = {}
        self._newest = newest

    def entry(self, node: Node) -> Entry | None:
        """The entry of a node, its content not yet read; None for a socket. Times later than `newest` become its whole second."""
        status = node.stat
        kind = stat.S_IFMT(status.st_mode)
        if kind == SOCKET:
            return None
        entry = self._described(node.path, kind, status)
        if status.st_nlink > 1 and kind != DIRECTORY:
            first = self._first.setdefault((status.st_dev, status.st_ino), node.path)
            if first != node.path:
                entry.kind, entry.link = HARDLINK, first
                return entry
        if kind == FILE:
            self._open_file(node, entry)
            return entry
        if kind == SYMLINK:
            entry.link = os.readlink(node.name, dir_fd=node.parent)
        elif kind in (CHARACTER, BLOCK):
            entry.rdev = (os.major(status.st_rdev), os.minor(status.st_rdev))
        entry.xattrs = read_xattrs(b"/proc/self/fd/%d/%s" % (node.parent, node.name))
        return entry

    def root(self, descriptor: int) -> Entry:
        """The entry of the tree's root itself."""
        entry = self._described(b"", DIRECTORY, os.fstat(descriptor))
        entry.xattrs = read_xattrs(descriptor)
        return entry

    def _described(self, path: bytes, kind: int, status: os.stat_result) -> Entry:
        mtime = status.st_mtime_ns
        if self._newest is not None and mtime > self._newest:
            mtime = self._newest - self._newest % SECOND
        return Entry(path, kind, mode=stat.S_IMODE(status.st_mode), uid=status.st_uid, gid=status.st_gid, mtime=mtime)

    def _open_file(self, node: Node, entry: Entry) -> None:
        descriptor = os.open(node.name, _FILE, dir_fd=node.parent)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_ino != node.stat.st_ino:
                raise Conflict(f"{show(node.path)} changed while it was read: stop what writes there")
            entry.size = status.st_size
            entry.xattrs = read_xattrs(descriptor)
            if status.st_size - status.st_blocks * 512 >= SPARSE_WORTH:
                entry.extents = data_extents(descriptor, status.st_size)
        except BaseException:
            os.close(descriptor)
            raise
        entry.content = _Content(
            descriptor, entry.extents if entry.extents is not None else ((0, entry.size),), entry.path
        )


class _Content:
    """The data of an open file. Conflict when it shrinks meanwhile; `close` is the reader's duty."""

    def __init__(self, descriptor: int, extents: Extents, path: bytes) -> None:
        self._descriptor, self._extents, self._path = descriptor, extents, path

    def __iter__(self) -> Iterator[tuple[int, Piece]]:
        for offset, length in self._extents:
            while length:
                piece = os.pread(self._descriptor, min(length, _CHUNK), offset)
                if not piece:
                    raise Conflict(f"{show(self._path)} became shorter while it was read: stop what writes there")
                yield offset, piece
                offset, length = offset + len(piece), length - len(piece)

    def close(self) -> None:
        os.close(self._descriptor)


def read_xattrs(target: int | bytes) -> dict[bytes, bytes]:
    """The attributes that a layer carries, in the order of their names; a bytes path is not followed."""
    try:
        names = os.listxattr(target) if isinstance(target, int) else os.listxattr(target, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return {}
        raise
    found = {}
    for name in sorted(os.fsencode(name) for name in names):
        if name in _ELSEWHERE:
            raise Refused("the tree is an overlay's with redirect_dir or metacopy: parts of it lie elsewhere")
        if kept_xattr(name):
            value = (
                os.getxattr(target, name)
                if isinstance(target, int)
                else os.getxattr(target, name, follow_symlinks=False)
            )
            found[name] = portable_value(name, value)
    return found


def data_extents(descriptor: int, size: int) -> Extents | None:
    """Where blocks of 4 KiB that are not all zero lie; None when holes would save too little.

    What the file system calls data is looked through for zeros, so that two hosts with other block sizes agree.
    """
    extents: list[tuple[int, int]] = []
    at = 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        hole = os.lseek(descriptor, start, os.SEEK_HOLE)
        at = min(hole + -hole % _GRAIN, size)
        _add_data(descriptor, start - start % _GRAIN, at, extents)
    return tuple(extents) if size - sum(length for _unused, length in extents) >= SPARSE_WORTH else None


def _add_data(descriptor: int, start: int, end: int, extents: list[tuple[int, int]]) -> None:
    zeros = bytes(_GRAIN)
    for offset in range(start, end, _CHUNK):
        chunk = os.pread(descriptor, min(_CHUNK, end - offset), offset)
        for at in range(0, len(chunk), _GRAIN):
            grain = chunk[at : at + _GRAIN]
            if grain == zeros[: len(grain)]:
                continue
            if extents and sum(extents[-1]) == offset + at:
                extents[-1] = (extents[-1][0], extents[-1][1] + len(grain))
            else:
                extents.append((offset + at, len(grain)))
