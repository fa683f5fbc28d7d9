# SPDX-License-Identifier: GPL-3.0-or-later
"""One node of a file tree on its way from a source (directory, tar, overlay upper) to a sink (tar, layer, hash)."""

from __future__ import annotations

import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Protocol, Union

    Piece = Union[bytes, memoryview]
    Content = Iterable[tuple[int, Piece]]

    class Sink(Protocol):
        """Where entries go: `begin`, then `data` for every piece of a regular file, then `end`; `close` after the last."""

        def begin(self, entry: Entry) -> None: ...
        def data(self, offset: int, piece: Piece) -> None: ...
        def end(self) -> None: ...
        def close(self) -> None: ...

    Extents = tuple[tuple[int, int], ...]

FILE, DIRECTORY, SYMLINK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK
CHARACTER, BLOCK, FIFO, SOCKET = stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK
HARDLINK, WHITEOUT, OPAQUE = (
    1,
    2,
    3,
)  # no kinds of inode: a second name, a name gone, a directory that hides the lower one

SECOND = 1_000_000_000

_KEPT = (b"user.", b"trusted.", b"system.posix_acl_")
_CAPABILITY = b"security.capability"
_OVERLAY = (b"trusted.overlay.", b"user.overlay.")


class Entry:
    """`path` is canonical: relative, no empty, `.` or `..` component; b"" is the root itself. `mtime` is in nanoseconds.

    `link` is a symlink's text, or the path of the first name of a hard link. `extents` are the (offset, length) that hold
    data, when the file has holes worth keeping. `content` yields (offset, bytes) of a file's data once, in order.
    """

    __slots__ = ("content", "extents", "gid", "kind", "link", "mode", "mtime", "path", "rdev", "size", "uid", "xattrs")

    def __init__(
        self,
        path: bytes,
        kind: int,
        *,
        mode: int = 0o644,
        uid: int = 0,
        gid: int = 0,
        mtime: int = 0,
        size: int = 0,
        link: bytes = b"",
        rdev: tuple[int, int] = (0, 0),
        xattrs: dict[bytes, bytes] | None = None,
        extents: Extents | None = None,
        content: Content = (),
    ) -> None:
        self.path, self.kind, self.mode, self.uid, self.gid, self.mtime = path, kind, mode, uid, gid, mtime
        self.size, self.link, self.rdev, self.xattrs = size, link, rdev, xattrs or {}
        self.extents, self.content = extents, content

    @property
    def stored(self) -> int:
        """How many bytes `content` yields: the size, less the holes."""
        return self.size if self.extents is None else sum(length for _unused, length in self.extents)

    def pour(self, sinks: tuple[Sink, ...]) -> None:
        """Give this entry and its data to every sink, reading the data once."""
        try:
            for sink in sinks:
                sink.begin(self)
            if self.kind != FILE:
                return
            for offset, piece in self.content:
                for sink in sinks:
                    sink.data(offset, piece)
            for sink in sinks:
                sink.end()
        finally:
            self.discard()

    def discard(self) -> None:
        """Close what `content` holds open, if anything."""
        close = getattr(self.content, "close", None)
        self.content = ()
        if close:
            close()


def pieces_of(data: bytes) -> Iterator[tuple[int, Piece]]:
    """The content of a small file that is in memory."""
    if data:
        yield 0, data


def kept_xattr(name: bytes) -> bool:
    """Whether layers carry this attribute. What steers overlayfs or labels files for this host alone stays out."""
    return name == _CAPABILITY or (name.startswith(_KEPT) and not name.startswith(_OVERLAY))


def portable_value(name: bytes, value: bytes) -> bytes:
    """The value as any host reads it: a file capability set in a user namespace (v3) names its root id; v2 does not."""
    if name == _CAPABILITY and len(value) == 24 and value[3] == 3:
        return value[:3] + b"\x02" + value[4:20]
    return value


def show(path: bytes) -> str:
    """A path for a message: nothing in it can move a terminal's cursor."""
    return ascii(path.decode("utf-8", "backslashreplace"))
