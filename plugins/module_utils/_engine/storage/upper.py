# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container changed, read from the upper directory of its overlay as the entries of a layer.

Canonical, so that the same changes on the same image are the same layer on another host, kernel and day: whiteouts and opaque
marks only where they hide something, no directory that is as it was, no time later than the image's own.
"""

from __future__ import annotations

import errno
import os
import stat

from .entries import CHARACTER, DIRECTORY, OPAQUE, WHITEOUT, Entry, show
from .tree import Reader, read_xattrs, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .tree import Node

_OPAQUE_XATTR = "trusted.overlay.opaque"


class _Open:
    """A directory that the walk is in: its entry until that was yielded, and the lower directories that it merges with.

    `touched`: its time differs from the lower one's. `ignored`: a mount point in it was left out, which explains that.
    """

    __slots__ = ("entry", "ignored", "lowers", "touched")

    def __init__(self, entry: Entry | None, lowers: list[bytes]) -> None:
        self.entry, self.lowers = entry, lowers
        self.touched = self.ignored = False


class Changes:
    """Iterate over it once for the entries, parents first. `skipped` then has the sockets that no layer can hold.

    `lowers` are the image's trees, topmost first. `ignore` are paths (no leading slash) of the engine's own mount points: left
    out while they are empty and the image lacks them. Times later than `newest` (ns) become its whole second: such a time says
    when a host did something, which would make the layer differ on every run.
    """

    def __init__(self, upper: int, *, lowers: tuple[str, ...], ignore: tuple[bytes, ...], newest: int) -> None:
        self.skipped: list[str] = []
        self._upper, self._ignore = upper, frozenset(ignore)
        self._lowers = [os.fsencode(path) for path in lowers]
        self._reader = Reader(newest=newest)
        self._stack: list[_Open] = []

    def __iter__(self) -> Iterator[Entry]:
        root = self._reader.root(self._upper)
        top = _Open(root, self._lowers)
        below = self._lowers[0] if self._lowers else None
        # The engine makes the upper root itself, so its time says nothing.
        if below is None or _differs(root, os.lstat(below), read_xattrs(below)):
            yield root
            top.entry = None
        self._stack = [top]
        for node in walk(self._upper):
            yield from self._leave(node.depth)
            yield from self._visit(node)
        yield from self._leave(1)

    def _visit(self, node: Node) -> Iterator[Entry]:
        above = self._stack[-1]
        if stat.S_ISDIR(node.stat.st_mode):
            yield from self._visit_directory(node, above)
            return
        is_whiteout = stat.S_IFMT(node.stat.st_mode) == CHARACTER and node.stat.st_rdev == 0
        if is_whiteout:
            if look_below(above.lowers, node.name)[0] is not None:
                yield from self._parents()
                yield Entry(node.path, WHITEOUT)
            return
        if self._is_mount_point(node, above):
            above.ignored = True
            return
        entry = self._reader.entry(node)
        if entry is None:
            self.skipped.append(show(node.path))
            return
        yield from self._parents()
        yield entry

    def _is_mount_point(self, node: Node, above: _Open) -> bool:
        is_empty = stat.S_ISREG(node.stat.st_mode) and node.stat.st_size == 0
        return node.path in self._ignore and is_empty and look_below(above.lowers, node.name)[0] is None

    def _lacks_mount_point(self, here: _Open) -> bool:
        """Whether the image lacks a mount point in that directory: the engine's, wherever it is, counts as one left out there."""
        path = here.entry.path if here.entry is not None else b""
        names = (name for above, _slash, name in (point.rpartition(b"/") for point in self._ignore) if above == path)
        return any(look_below(here.lowers, name)[0] is None for name in names)

    def _visit_directory(self, node: Node, above: _Open) -> Iterator[Entry]:
        entry = self._reader.entry(node)
        if entry is None:
            return
        first, lowers = look_below(above.lowers, node.name)
        opaque = is_opaque(b"/proc/self/fd/%d/%s" % (node.parent, node.name))
        merged = first is not None and stat.S_ISDIR(first.st_mode)
        here = _Open(entry, [] if opaque else lowers)
        self._stack.append(here)
        if merged and not opaque and first is not None:
            here.touched = entry.mtime != first.st_mtime_ns
            if not _differs(entry, first, read_xattrs(lowers[0])):
                return
        elif first is None and node.path in self._ignore:
            return
        yield from self._parents()
        if opaque and merged:
            yield Entry(node.path, OPAQUE)

    def _parents(self) -> Iterator[Entry]:
        """The directories that lead to the present place, those of them that were not yielded yet."""
        for here in self._stack:
            if here.entry is not None:
                if here.entry.path:
                    yield here.entry
                here.entry = None

    def _leave(self, depth: int) -> Iterator[Entry]:
        """Go up until the walk is `depth` deep; a directory left without a child counts only if it was touched itself."""
        while len(self._stack) > depth:
            here = self._stack[-1]
            if here.entry is not None and here.touched and not here.ignored and not self._lacks_mount_point(here):
                yield from self._parents()
            self._stack.pop()
            if here.entry is not None and here.entry.path in self._ignore:
                self._stack[-1].ignored = True


def is_opaque(path: bytes) -> bool:
    """Whether overlayfs takes that directory to hide the lower ones."""
    try:
        return os.getxattr(path, _OPAQUE_XATTR, follow_symlinks=False) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return False
        raise


def look_below(lowers: list[bytes], name: bytes) -> tuple[os.stat_result | None, list[bytes]]:
    """What overlayfs shows of the lower trees for `name`: its status, and the directories that merge there.

    Every path in `lowers` was found this way, component by component, so that none leads through a symlink.
    """
    first, merged = None, []
    for lower in lowers:
        path = lower + b"/" + name
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            break
        if first is None:
            first = status
        if not stat.S_ISDIR(status.st_mode):
            break
        merged.append(path)
        if is_opaque(path):
            break
    return first, merged


def _differs(entry: Entry, below: os.stat_result, xattrs: dict[bytes, bytes]) -> bool:
    """Whether a directory's own mode, owner or attributes changed; its time is another question."""
    same = (entry.mode, entry.uid, entry.gid) == (stat.S_IMODE(below.st_mode), below.st_uid, below.st_gid)
    return not same or entry.kind != DIRECTORY or entry.xattrs != xattrs
