# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries become files below one directory, and nowhere else: every step is by directory descriptors, no link is followed."""

from __future__ import annotations

import errno
import os
import stat

from ..errors import KernelError, Refused
from ..kernel.files import open_beneath
from .entries import BLOCK, CHARACTER, DIRECTORY, FIFO, FILE, HARDLINK, OPAQUE, SYMLINK, WHITEOUT, Entry, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .entries import Piece

_WALK = os.O_PATH | os.O_DIRECTORY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPAQUE_XATTR = "trusted.overlay.opaque"


class Unpacker:
    """A sink that makes one layer in the empty directory `root`. Give every entry to `begin`, its data to `data`, then `end`.

    Whiteouts are kept until `close` and then hide lower layers only, never what this layer brings. `lowers` are the trees below,
    topmost first: directories that the entries only imply look as they do there. Without any, whiteouts are dropped.
    Entries must have passed a census, or come from our own walk. The owner of the descriptor `root` closes it.
    `deferred`: the trees below are not known yet; `close` leaves what hangs on them in `hidden` and `implied`, for `settle`.
    """

    def __init__(self, root: int, *, lowers: tuple[str, ...] = (), deferred: bool = False, fresh: bool = True) -> None:
        self.opaque_root = False
        self.hidden: list[Entry] = []
        self.implied: set[bytes] = set()
        self._root, self._lowers, self._deferred, self._fresh = root, lowers, deferred, fresh
        self._parent, self._parent_fd = b"", os.dup(root)
        self._file = -1
        self._entry: Entry | None = None
        self._times: dict[bytes, int] = {}
        if fresh:
            self._imply(b"", root)
        else:
            self._times[b""] = os.fstat(root).st_mtime_ns

    def begin(self, entry: Entry) -> None:
        """Make the node; a regular file is open for `data` afterwards."""
        if entry.kind in (WHITEOUT, OPAQUE):
            self.hidden.append(entry)
            return
        if entry.kind == DIRECTORY:
            self._make_directory(entry)
            return
        name = self._enter(entry.path)
        if entry.kind == FILE:
            self._entry = entry
            self._file = self._create(name)
        else:
            self._make_node(entry, name)

    def data(self, offset: int, piece: Piece) -> None:
        """Write a piece of the present file."""
        while piece:
            done = os.pwrite(self._file, piece, offset)
            piece, offset = piece[done:], offset + done

    def end(self) -> None:
        """The present file is whole: give it its size, owner, mode, attributes and time, in the order that keeps each."""
        entry, descriptor = self._entry, self._file
        if entry is None:
            return
        try:
            if entry.extents is not None:
                os.ftruncate(descriptor, entry.size)
            # chown drops set-id bits and capabilities, so it comes first.
            os.fchown(descriptor, entry.uid, entry.gid)
            os.fchmod(descriptor, entry.mode)
            _set_xattrs(descriptor, entry)
            os.utime(descriptor, ns=(entry.mtime, entry.mtime))
        finally:
            self._entry, self._file = None, -1
            os.close(descriptor)

    def close(self) -> None:
        """Apply the whiteouts, then the times of directories, which everything before would have changed."""
        if self._lowers and not self._deferred:
            for entry in self.hidden:
                self._hide(entry)
        for path, mtime in sorted(self._times.items(), reverse=True):
            self._with_directory(path, lambda fd, mtime=mtime: os.utime(fd, ns=(mtime, mtime)))
        self.abandon()

    def abandon(self) -> None:
        """Let go of every descriptor; harmless twice."""
        for descriptor in (self._file, self._parent_fd):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._parent_fd = -1

    def _enter(self, path: bytes) -> bytes:
        """Make the parent of `path` the present directory; return the last component."""
        parent, _unused, name = path.rpartition(b"/")
        if parent != self._parent:
            descriptor = self._open_directory(parent)
            os.close(self._parent_fd)
            self._parent, self._parent_fd = parent, descriptor
        return name

    def _open_directory(self, path: bytes) -> int:
        try:
            descriptor = open_beneath(self._root, path, _WALK)
        except KernelError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise Refused(f"{show(path)} is no directory in this layer") from None
            if error.errno != errno.ENOENT:
                raise
        else:
            if not self._fresh:
                self._times.setdefault(path, os.fstat(descriptor).st_mtime_ns)
            return descriptor
        above, _unused, name = path.rpartition(b"/")
        parent = self._open_directory(above)
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        finally:
            os.close(parent)
        self._imply(path, descriptor)
        return descriptor

    def imply(self, path: bytes) -> None:
        """Let a directory that is there look as the one below does."""
        self._with_directory(path, lambda fd: self._imply(path, fd))

    def _imply(self, path: bytes, descriptor: int) -> None:
        """A directory that no entry has described yet looks as it does below, else as mkdir makes it, at the epoch."""
        known = directory_below(self._lowers, path)
        os.fchown(descriptor, known.st_uid if known else 0, known.st_gid if known else 0)
        os.fchmod(descriptor, stat.S_IMODE(known.st_mode) if known else 0o755)
        self._times[path] = known.st_mtime_ns if known else 0
        self.implied.add(path)

    def _make_directory(self, entry: Entry) -> None:
        if entry.path:
            name = self._enter(entry.path)
            try:
                os.mkdir(name, 0o700, dir_fd=self._parent_fd)
            except FileExistsError:
                if not stat.S_ISDIR(os.stat(name, dir_fd=self._parent_fd, follow_symlinks=False).st_mode):
                    raise Refused(f"{show(entry.path)} is a directory and something else at once") from None
        self._with_directory(entry.path, lambda fd: _set_metadata(fd, entry))
        self._times[entry.path] = entry.mtime
        self.implied.discard(entry.path)

    def _with_directory(self, path: bytes, act: object) -> None:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        if path:
            descriptor = os.open(self._enter(path), flags, dir_fd=self._parent_fd)
        else:
            descriptor = os.open(b".", flags, dir_fd=self._root)
        try:
            act(descriptor)  # type: ignore[operator]
        finally:
            os.close(descriptor)

    def _create(self, name: bytes) -> int:
        try:
            return os.open(name, _NEW, 0o600, dir_fd=self._parent_fd)
        except FileExistsError:
            os.unlink(name, dir_fd=self._parent_fd)
            return os.open(name, _NEW, 0o600, dir_fd=self._parent_fd)

    def _make_node(self, entry: Entry, name: bytes) -> None:
        try:
            self._make(entry, name)
        except FileExistsError:
            os.unlink(name, dir_fd=self._parent_fd)
            self._make(entry, name)
        if entry.kind == HARDLINK:
            return
        os.chown(name, entry.uid, entry.gid, dir_fd=self._parent_fd, follow_symlinks=False)
        if entry.kind != SYMLINK:
            os.chmod(name, entry.mode, dir_fd=self._parent_fd)
        if entry.xattrs:
            _set_xattrs(b"/proc/self/fd/%d/%s" % (self._parent_fd, name), entry)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=self._parent_fd, follow_symlinks=False)

    def _make(self, entry: Entry, name: bytes) -> None:
        if entry.kind == HARDLINK:
            self._link(entry, name)
        elif entry.kind == SYMLINK:
            os.symlink(entry.link, name, dir_fd=self._parent_fd)
        elif entry.kind == FIFO:
            os.mkfifo(name, 0o600, dir_fd=self._parent_fd)
        elif entry.kind in (CHARACTER, BLOCK):
            os.mknod(name, entry.kind | 0o600, os.makedev(*entry.rdev), dir_fd=self._parent_fd)

    def _link(self, entry: Entry, name: bytes) -> None:
        parent, _unused, last = entry.link.rpartition(b"/")
        source = self._open_directory(parent)
        try:
            os.link(last, name, src_dir_fd=source, dst_dir_fd=self._parent_fd, follow_symlinks=False)
        finally:
            os.close(source)

    def _hide(self, entry: Entry) -> None:
        """One whiteout, as overlayfs has them: a 0/0 character device, or a mark on a directory that replaces the lower one."""
        if entry.kind == OPAQUE and not entry.path:
            # overlayfs does not look at this mark on a layer's root: whoever stacks the layers cuts the list there.
            self.opaque_root = True
            return
        if entry.kind == OPAQUE:
            os.close(self._open_directory(entry.path))
            self._with_directory(entry.path, _mark_opaque)
            return
        name = self._enter(entry.path)
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=self._parent_fd)
            os.utime(name, ns=(0, 0), dir_fd=self._parent_fd, follow_symlinks=False)
        except FileExistsError:
            if stat.S_ISDIR(os.stat(name, dir_fd=self._parent_fd, follow_symlinks=False).st_mode):
                self._with_directory(entry.path, _mark_opaque)


def settle(root: int, lowers: tuple[str, ...], hidden: list[tuple[int, bytes]], implied: list[bytes]) -> bool:
    """Finish a layer that was unpacked `deferred`, now that the trees below it are there; whether its root is opaque.

    The result is the same as if they had been known from the beginning.
    """
    if not lowers:
        return False
    unpacker = Unpacker(root, lowers=lowers, fresh=False)
    try:
        for path in sorted(implied):
            unpacker.imply(path)
        unpacker.hidden = [Entry(path, kind) for kind, path in hidden]
        unpacker.close()
    finally:
        unpacker.abandon()
    return unpacker.opaque_root


def directory_below(lowers: tuple[str, ...], path: bytes) -> os.stat_result | None:
    """The topmost directory at `path` in those trees; whiteouts and opaque directories hide what lies below them."""
    for lower in lowers:
        root = os.open(lower, _WALK | os.O_CLOEXEC)
        try:
            found = open_beneath(root, path, _WALK)
        except KernelError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP) or _is_hidden(root, path):
                return None
            continue
        finally:
            os.close(root)
        try:
            return os.fstat(found)
        finally:
            os.close(found)
    return None


def _is_hidden(root: int, path: bytes) -> bool:
    """Whether one of the directories above `path` in that tree is opaque."""
    at = path.find(b"/")
    while at >= 0:
        try:
            above = open_beneath(root, path[:at], os.O_RDONLY | os.O_DIRECTORY)
        except KernelError:
            return False
        try:
            if os.getxattr(above, _OPAQUE_XATTR) == b"y":
                return True
        except OSError as error:
            if error.errno != errno.ENODATA:
                raise
        finally:
            os.close(above)
        at = path.find(b"/", at + 1)
    return False


def _mark_opaque(directory: int) -> None:
    os.setxattr(directory, _OPAQUE_XATTR, b"y")


def _set_metadata(descriptor: int, entry: Entry) -> None:
    os.fchown(descriptor, entry.uid, entry.gid)
    os.fchmod(descriptor, entry.mode)
    _set_xattrs(descriptor, entry)


def _set_xattrs(target: int | bytes, entry: Entry) -> None:
    for name, value in entry.xattrs.items():
        try:
            if isinstance(target, int):
                os.setxattr(target, name, value)
            else:
                os.setxattr(target, name, value, follow_symlinks=False)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EPERM, errno.EOPNOTSUPP):
                raise Refused(
                    f"{show(entry.path)} has an attribute {show(name)} that this file system does not take"
                ) from None
            raise
