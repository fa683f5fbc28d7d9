# SPDX-License-Identifier: GPL-3.0-or-later
"""What files take on the disk: blocks, each counted once, however many names, trees or copies by reference share them."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct

from ..kernel.files import statfs_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FIEMAP = 0xC020660B
_HEAD, _EXTENT = struct.Struct("=QQLLLL"), struct.Struct("=QQQQQLLLL")
_LAST, _SHARED, _SYNC = 0x1, 0x2000, 0x1
_BATCH = 128
_REFLINKING = (0x9123683E, 0x58465342)  # btrfs, xfs (statfs(2))
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def shares_extents(path: str) -> bool:
    """Whether the file system at `path` is of a kind on which files can share blocks."""
    return statfs_type(path) in _REFLINKING


def inodes(path: str) -> Iterator[tuple[os.stat_result, str]]:
    """Every name at and below `path` with its status; links are not followed, mounts not entered, what goes meanwhile is left out.

    Each file's path is good until the next one is asked for: it leads over /proc, so that no length limits it.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    yield status, path
    if not stat.S_ISDIR(status.st_mode):
        return
    device = status.st_dev
    stack = [_open(path)]
    try:
        while stack:
            descriptor, names = stack[-1]
            if not names:
                os.close(stack.pop()[0])
                continue
            name = names.pop()
            try:
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                yield found, f"/proc/self/fd/{descriptor}/{os.fsdecode(name)}"
                if stat.S_ISDIR(found.st_mode) and found.st_dev == device:
                    stack.append(_open(name, descriptor))
            except FileNotFoundError:
                continue
    finally:
        for descriptor, _names in stack:
            os.close(descriptor)


def _open(path: str | bytes, above: int | None = None) -> tuple[int, list[bytes]]:
    descriptor = os.open(path, _DIRECTORY, dir_fd=above)
    return descriptor, [os.fsencode(name) for name in os.listdir(descriptor)]


def own_bytes(status: os.stat_result, path: str, *, extents: bool) -> int:
    """The bytes on the disk that only this inode has. With `extents` the file system is asked which of its blocks are shared."""
    size = status.st_blocks * 512
    if not extents or not size or not stat.S_ISREG(status.st_mode):
        return size
    return max(size - shared_bytes(path), 0)


def shared_bytes(path: str) -> int:
    """How many bytes of the file at `path` lie in extents that other files have, too (FIEMAP, ioctl_fiemap(2)); 0 if unknown."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return sum(length for _place, length, flags in _extents(descriptor) if flags & _SHARED)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL):
            return 0
        raise
    finally:
        os.close(descriptor)


def physical(path: str) -> list[tuple[int, int]]:
    """Where the data of a file lies on the disk, (place, length) in bytes; empty when the file system does not say."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        merged: list[tuple[int, int]] = []
        for place, length, _flags in _extents(descriptor):
            if merged and sum(merged[-1]) == place:
                merged[-1] = (merged[-1][0], merged[-1][1] + length)
            else:
                merged.append((place, length))
        return merged
    except OSError:
        return []
    finally:
        os.close(descriptor)


def _extents(descriptor: int) -> Iterator[tuple[int, int, int]]:
    start, room = 0, bytes(_BATCH * _EXTENT.size)
    while True:
        buffer = bytearray(_HEAD.pack(start, (1 << 64) - 1 - start, _SYNC, 0, _BATCH, 0) + room)
        fcntl.ioctl(descriptor, _FIEMAP, buffer)
        count = _HEAD.unpack_from(buffer)[3]
        flags = 0
        for number in range(count):
            logical, place, length, _a, _b, flags, *_more = _EXTENT.unpack_from(
                buffer, _HEAD.size + number * _EXTENT.size
            )
            start = logical + length
            yield place, length, flags
        if not count or flags & _LAST:
            return


class Tally:
    """The bytes that would come free if all that was added went: an inode counts when every one of its names was added."""

    def __init__(self, *, extents: bool) -> None:
        self._extents = extents
        self._linked: dict[tuple[int, int], list[int]] = {}
        self.size = 0

    def add(self, path: str) -> None:
        """Count everything at and below `path` in."""
        for status, place in inodes(path):
            if stat.S_ISDIR(status.st_mode) or status.st_nlink == 1:
                self.size += own_bytes(status, place, extents=self._extents)
                continue
            seen = self._linked.setdefault((status.st_dev, status.st_ino), [0])
            seen[0] += 1
            if seen[0] == status.st_nlink:
                self.size += own_bytes(status, place, extents=self._extents)
