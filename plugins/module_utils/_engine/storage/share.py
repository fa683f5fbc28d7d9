# SPDX-License-Identifier: GPL-3.0-or-later
"""Equal files of several layers become one: by hard link where the path and all metadata agree, so that nobody can tell.

Layers are never written to, which is what makes a hard link between them safe; containers' files are, and are never linked.
"""

from __future__ import annotations

import errno
import os
import stat

from ..values import Value
from . import layout
from .limits import MIB
from .times import give_back, note
from .tree import read_xattrs, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..paths import Paths
    from .staging import Staging

    Key = tuple[bytes, int, int, int, int, int]

_MOST_LINKS = 60_000  # ext4 allows 65,000 names
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Twin(Value):
    """The file at `path` of the layer `chain` (hexadecimal digits) equals that of the layer `keeper`. `size` is in bytes on the disk."""

    path: bytes
    chain: str
    keeper: str
    inode: int
    kept: int
    size: int


class _Copy:
    __slots__ = ("chain", "inode", "links", "size")

    def __init__(self, chain: str, status: os.stat_result) -> None:
        self.chain, self.inode, self.links, self.size = chain, status.st_ino, status.st_nlink, status.st_blocks * 512


def twins(paths: Paths, busy: frozenset[str]) -> list[Twin]:
    """What could be one. Layers in `busy` lend their files but keep them: a running container looks at these inodes."""
    found = []
    alike, present = _alike(paths)
    for key, copies in alike.items():
        path = key[0]
        # The one that most share already, and one that must stay before one that may go.
        copies.sort(key=lambda copy: (-copy.links, copy.chain not in busy, copy.chain))
        keepers: list[_Copy] = []
        for copy in copies:
            if any(copy.inode == keeper.inode for keeper in keepers):
                continue
            may_go = copy.links == 1 and copy.chain not in busy
            # A layer that had the keeper's inode already, at another path, would come to have a hard link that it has not.
            able = [
                one for one in keepers if may_go and one.links < _MOST_LINKS and (copy.chain, one.inode) not in present
            ]
            keeper = next((one for one in able if _equal(paths, path, one.chain, copy.chain)), None)
            if keeper is None:
                keepers.append(copy)
                continue
            keeper.links += 1
            present.add((copy.chain, keeper.inode))
            found.append(
                Twin(
                    path=path,
                    chain=copy.chain,
                    keeper=keeper.chain,
                    inode=copy.inode,
                    kept=keeper.inode,
                    size=copy.size,
                )
            )
    return sorted(found, key=lambda twin: (twin.chain, twin.path))


def _alike(paths: Paths) -> tuple[dict[Key, list[_Copy]], set[tuple[str, int]]]:
    """Regular files by path, size, mode, owner and time; only those that several layers have.

    And in which layer there is which inode, of those that have several names.
    """
    found: dict[Key, list[_Copy]] = {}
    linked: set[tuple[str, int]] = set()
    for chain in sorted(os.listdir(paths.layers)):
        try:
            root = os.open(f"{paths.layers}/{chain}/diff", _DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            for node in walk(root):
                status = node.stat
                if stat.S_ISREG(status.st_mode) and status.st_size:
                    key = (
                        node.path, status.st_size, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns
                    )  # fmt: skip
                    found.setdefault(key, []).append(_Copy(chain, status))
                    if status.st_nlink > 1:
                        linked.add((chain, status.st_ino))
        except FileNotFoundError:
            continue  # the layer was removed meanwhile
        finally:
            os.close(root)
    return {key: copies for key, copies in found.items() if len(copies) > 1}, linked


def _equal(paths: Paths, path: bytes, one: str, other: str) -> bool:
    return same_file(*(os.fsencode(f"{paths.layers}/{chain}/diff/") + path for chain in (one, other)))


def same_file(one: bytes, other: bytes) -> bool:
    """Whether two regular files of one size have the same attributes and content; False when one of them has gone."""
    try:
        first = os.open(one, _READ)
        try:
            second = os.open(other, _READ)
            try:
                return _same(first, second)
            finally:
                os.close(second)
        finally:
            os.close(first)
    except FileNotFoundError:
        return False


def _same(first: int, second: int) -> bool:
    if _attributes(first) != _attributes(second):
        return False
    while data := os.read(first, MIB):
        if os.read(second, len(data)) != data:
            return False
    return not os.read(second, 1)


def _attributes(descriptor: int) -> tuple[dict[bytes, bytes], list[str]]:
    names = [name for name in os.listxattr(descriptor) if not name.startswith("trusted.overlay.")]
    return read_xattrs(descriptor), sorted(names)


def link(paths: Paths, place: Staging, found: Iterable[Twin], busy: Callable[[], frozenset[str]]) -> tuple[int, int]:
    """Make them one, layer by layer; how many files and bytes that were. What has changed or gone meanwhile is left alone.

    Takes `layout.changing` for each layer; `busy` is asked again under it. Killed at any instant, every file is there whole,
    and `times.mend` gives the directories their times.
    """
    count = size = 0
    by_chain: dict[str, list[Twin]] = {}
    for twin in found:
        by_chain.setdefault(twin.chain, []).append(twin)
    for chain, own in by_chain.items():
        with layout.changing(paths):
            if chain in busy() or not os.path.isdir(f"{paths.layers}/{chain}/diff"):
                continue
            done = _link_layer(paths, place, f"{paths.layers}/{chain}/diff", own)
        count, size = count + len(done), size + sum(twin.size for twin in done)
    return count, size


def _link_layer(paths: Paths, place: Staging, tree: str, own: list[Twin]) -> list[Twin]:
    raw = os.fsencode(tree)
    parents = {twin.path.rpartition(b"/")[0] for twin in own}
    note(place, tree, {path: os.lstat(raw + b"/" + path).st_mtime_ns for path in parents})
    try:
        return [twin for twin in own if _link(paths, os.fsencode(f"{place.path}/link"), raw + b"/" + twin.path, twin)]
    finally:
        give_back(place)


def _link(paths: Paths, scratch: bytes, target: bytes, twin: Twin) -> bool:
    source = os.fsencode(f"{paths.layers}/{twin.keeper}/diff/") + twin.path
    try:
        if os.lstat(target).st_ino != twin.inode or os.lstat(source).st_ino != twin.kept:
            return False
        os.link(source, scratch, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno == errno.EMLINK:
            return False
        raise
    os.rename(scratch, target)
    return True
