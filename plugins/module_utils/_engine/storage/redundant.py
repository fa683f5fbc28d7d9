# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in a container's upper directory that equal what they cover: without them the container sees the same."""

from __future__ import annotations

import os
import stat

from ..values import Value
from .share import same_file
from .times import give_back, note
from .tree import walk
from .upper import is_opaque, look_below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .staging import Staging
    from .tree import Node

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Copy(Value):
    """A file at `path` below the upper directory; `size` is in bytes on the disk."""

    path: bytes
    size: int


def copies(upper: str, lowers: tuple[str, ...]) -> list[Copy]:
    """The regular files with one name whose content, mode, owner, time and attributes are those of the file below."""
    root, found = os.open(upper, _DIRECTORY), []
    stack: list[list[bytes]] = [[os.fsencode(path) for path in lowers]]
    try:
        for node in walk(root):
            del stack[node.depth :]
            first, merged = look_below(stack[-1], node.name)
            place = b"/proc/self/fd/%d/%s" % (node.parent, node.name)
            if stat.S_ISDIR(node.stat.st_mode):
                stack.append([] if is_opaque(place) else merged)
            elif first is not None and _alike(node, first) and same_file(place, _below(stack[-1], node.name)):
                found.append(Copy(path=node.path, size=node.stat.st_blocks * 512))
    finally:
        os.close(root)
    return found


def _alike(node: Node, below: os.stat_result) -> bool:
    status = node.stat
    return (
        stat.S_ISREG(status.st_mode)
        and status.st_nlink == 1
        and (status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_mtime_ns)
        == (below.st_mode, below.st_uid, below.st_gid, below.st_size, below.st_mtime_ns)
    )


def _below(lowers: list[bytes], name: bytes) -> bytes:
    return next(lower + b"/" + name for lower in lowers if os.path.lexists(lower + b"/" + name))


def drop(place: Staging, upper: str, found: list[Copy]) -> tuple[int, int]:
    """Take them away; how many files and bytes that were. Nothing must have the upper directory mounted."""
    if not found:
        return 0, 0
    raw = os.fsencode(upper)
    parents = {copy.path.rpartition(b"/")[0] for copy in found}
    note(place, upper, {path: os.lstat(raw + b"/" + path).st_mtime_ns for path in parents})
    try:
        for copy in found:
            os.unlink(raw + b"/" + copy.path)
    finally:
        give_back(place)
    return len(found), sum(copy.size for copy in found)
