# SPDX-License-Identifier: GPL-3.0-or-later
"""Equal content shares its blocks where the file system can (btrfs, xfs): the kernel compares, and either may be written to afterwards."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct

from ..values import Value
from .disk import inodes, physical
from .limits import MIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FIDEDUPERANGE = 0xC0189436
_HEAD, _TARGET = struct.Struct("=QQHHL"), struct.Struct("=qQQlL")
_LEAST = 4096
_CHUNK = 16 * MIB
_CANNOT = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV, errno.ETXTBSY, errno.EPERM)


class Pair(Value):
    """Two files of the same content whose blocks differ. `size` is in bytes."""

    source: str
    target: str
    size: int


def pairs(trees: Iterable[str], *, without: set[str]) -> list[Pair]:
    """Files below these directories, `without` some, that could share their blocks. Reads only those whose size others have, too."""
    sizes: dict[int, dict[tuple[int, int], str]] = {}
    for tree in trees:
        for status, place in inodes(tree):
            if stat.S_ISREG(status.st_mode) and status.st_size >= _LEAST:
                path = os.path.realpath(place)
                if path not in without:
                    sizes.setdefault(status.st_size, {}).setdefault((status.st_dev, status.st_ino), path)
    found = []
    for size, files in sizes.items():
        for alike in _by_content(files.values()) if len(files) > 1 else ():
            source, *others = alike
            where = physical(source)
            found += [
                Pair(source=source, target=other, size=size)
                for other in others
                if not where or physical(other) != where
            ]
    return found


def _by_content(files: Iterable[str]) -> list[list[str]]:
    import hashlib

    groups: dict[bytes, list[str]] = {}
    for path in files:
        total = hashlib.sha256()
        try:
            with open(path, "rb", buffering=0) as file:
                while data := file.read(MIB):
                    total.update(data)
        except FileNotFoundError:
            continue
        groups.setdefault(total.digest(), []).append(path)
    return [group for group in groups.values() if len(group) > 1]


def share(found: Iterable[Pair]) -> tuple[int, int]:
    """Let them share; how many files and bytes that were. What differs by now, or has gone, the kernel leaves alone."""
    count = size = 0
    for pair in found:
        done = _share(pair)
        count, size = count + bool(done), size + done
    return count, size


def _share(pair: Pair) -> int:
    try:
        source = os.open(pair.source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        target = os.open(pair.target, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        os.close(source)
        return 0
    try:
        return _dedupe(source, target, pair.size)
    except OSError as error:
        if error.errno in _CANNOT:
            return 0
        raise
    finally:
        os.close(source)
        os.close(target)


def _dedupe(source: int, target: int, size: int) -> int:
    """ioctl_fideduperange(2), piece by piece; the bytes that are shared now."""
    done = 0
    while done < size:
        length = min(size - done, _CHUNK)
        buffer = bytearray(_HEAD.pack(done, length, 1, 0, 0) + _TARGET.pack(target, done, 0, 0, 0))
        fcntl.ioctl(source, _FIDEDUPERANGE, buffer)
        _fd, _offset, taken, status, _reserved = _TARGET.unpack_from(buffer, _HEAD.size)
        if status != 0 or not taken:
            break
        done += taken
    return done
