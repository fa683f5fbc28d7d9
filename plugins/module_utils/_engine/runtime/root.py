# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's root, put together from inside its own mount namespace; every target is opened below the root, never by path."""

from __future__ import annotations

import errno
import os
import stat

from ..errors import KernelError, Refused, from_os
from ..kernel import files, mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


# As many as the kernel follows in one path.
_MOST_LINKS = 40


class Root:
    """A root under construction: `fd` refers to it, `made` lists the mount points that had to be created in it.

    With `foreign` it is as callers of other runtimes are used to: a mount point that is a link to nothing is made where the
    link leads, below the root as ever, instead of being refused, and a tmpfs is as open as the directory that it covers.
    """

    __slots__ = ("_left", "fd", "foreign", "made")

    def __init__(self, fd: int, *, foreign: bool = False) -> None:
        self.fd, self.foreign = fd, foreign
        self.made: list[str] = []
        self._left = _MOST_LINKS if foreign else 0

    def attach(self, mount_fd: int, target: str) -> None:
        """Put a detached mount at `target`, which is created if it is missing (a file for a file)."""
        is_directory = stat.S_ISDIR(os.fstat(mount_fd).st_mode)
        place = self.open_target(target, directory=is_directory)
        try:
            if stat.S_ISDIR(os.fstat(place).st_mode) != is_directory:
                kinds = ("a file", "a directory") if is_directory else ("a directory", "a file")
                raise Refused(f"{target} is {kinds[0]} in this image, and {kinds[1]} can't be mounted there")
            mounts.move(mount_fd, place)
        finally:
            os.close(place)

    def open_target(self, path: str, *, directory: bool) -> int:
        """A descriptor of `path` below the root. /proc, /sys and /dev may not be reached through a link (CVE-2019-19921)."""
        resolve = files.IN_ROOT | files.NO_MAGICLINKS | (files.NO_SYMLINKS if is_strict(path) else 0)
        try:
            return files.openat2(self.fd, path, os.O_PATH, resolve=resolve)
        except KernelError as error:
            if error.errno == errno.ELOOP:
                raise Refused(f"{path} is a link in this image, and nothing may be mounted through it") from error
            if error.errno == errno.ENOTDIR:
                raise Refused(
                    f"{path} would lie below a file of this image, and nothing can be mounted there"
                ) from error
            if error.errno != errno.ENOENT:
                raise
        behind = self._create(path, directory=directory)
        if behind:
            return self.open_target(behind, directory=directory)
        return files.openat2(self.fd, path, os.O_PATH, resolve=resolve)

    def _create(self, path: str, *, directory: bool) -> str:
        """Make what is missing; "" or the path to go on with, when there is a link to it."""
        parent, _unused, name = path.rstrip("/").rpartition("/")
        above = self.open_target(parent, directory=True) if parent else os.dup(self.fd)
        try:
            real = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=above)
        except NotADirectoryError:
            raise Refused(f"{parent} is no directory in this image, and nothing can be mounted below it") from None
        finally:
            os.close(above)
        try:
            before = os.fstat(real)
            if directory:
                os.mkdir(name, 0o755, dir_fd=real)
            else:
                os.close(
                    os.open(
                        name, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=real
                    )
                )
            _set_back(real, before)
            self.made.append(f"{self._path_of(real)}/{name}")
        except FileExistsError:
            return self._behind(real, name, path)
        except OSError as error:
            raise from_os(error, f"make the mount point {path}") from error
        finally:
            os.close(real)
        return ""

    def _path_of(self, directory: int) -> str:
        """Where a directory really is below the root, "" for the root: a link of the image's may have led there."""
        here, there = (os.readlink(f"/proc/self/fd/{fd}") for fd in (self.fd, directory))
        return there[len(here.rstrip("/")) :].rstrip("/")

    def _behind(self, above: int, name: str, path: str) -> str:
        if self._left == 0 or is_strict(path) or name in (".", ".."):
            raise Refused(f"{path} is a link to nothing in this image, and nothing can be mounted there")
        self._left -= 1
        return os.path.join("/", self._path_of(above), os.readlink(name, dir_fd=above))

    def mode_of(self, path: str) -> int:
        """The permissions of the directory at `path`, -1 when there is none yet."""
        place = _open_existing(self, path)
        if place < 0:
            return -1
        mode = os.fstat(place).st_mode
        os.close(place)
        return stat.S_IMODE(mode) if stat.S_ISDIR(mode) else -1

    def link(self, path: str, target: str) -> None:
        """A symbolic link at `path`, unless there is something already."""
        parent, _unused, name = path.rpartition("/")
        above = self.open_target(parent, directory=True)
        try:
            os.symlink(target, name, dir_fd=above)
        except FileExistsError:
            return
        finally:
            os.close(above)


def _set_back(directory: int, before: os.stat_result) -> None:
    """A commit compares directories with those below: making a mount point must not look like a change."""
    try:
        os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))
    except PermissionError:
        # Everybody may write to it, and it is another's: its time is that one's to say.
        return


def hide(root: Root, masked: Sequence[str], read_only: Sequence[str]) -> None:
    """Cover files with /dev/null and directories with an empty tmpfs; make the rest of the list read-only.

    Both come from the engine's own mounts, and a target that is not there needs no cover.
    """
    places = [place for place in (_open_existing(root, path) for path in masked) if place >= 0]
    if places:
        _mask(root, places)
    for path in read_only:
        place = _open_existing(root, path)
        if place < 0:
            continue
        cover = mounts.open_tree("", directory=place, recursive=True)
        mounts.set_attributes(cover, mounts.ATTR_RDONLY, recursive=True)
        mounts.move(cover, place)
        os.close(cover)
        os.close(place)


def _mask(root: Root, places: list[int]) -> None:
    empty = mounts.open_filesystem("tmpfs", (("size", "4k"), ("mode", "755")), mounts.ATTR_RDONLY)
    null = _open_null(root)
    used = False
    for place in places:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            _cover(place, null)
        elif used:
            _cover(place, empty)
        else:
            # open_tree(2) copies a mount that is not attached anywhere only since Linux 6.15.
            mounts.move(empty, place)
            used = True
        os.close(place)
    os.close(null)
    os.close(empty)


def _open_null(root: Root) -> int:
    """What covers files must be the null device, whatever else lies at its path (CVE-2025-31133)."""
    try:
        null = files.openat2(root.fd, "dev/null", os.O_PATH, resolve=files.IN_ROOT | files.NO_SYMLINKS)
    except KernelError as error:
        raise Refused(
            f"masked paths are covered with this container's /dev/null: {os.strerror(error.errno)}: mount at /dev what has"
            " it, or mask no paths"
        ) from error
    found = os.fstat(null)
    if not stat.S_ISCHR(found.st_mode) or found.st_rdev != os.makedev(1, 3):
        os.close(null)
        raise Refused("/dev/null in this container is not the null device, and masked paths can't be covered with it")
    return null


def _cover(place: int, source: int) -> None:
    copy = mounts.open_tree("", directory=source)
    mounts.move(copy, place)
    os.close(copy)


def _open_existing(root: Root, path: str) -> int:
    """-1 when there is nothing. In /proc and /sys no link may lead there, elsewhere links stay below the root."""
    strict = files.NO_SYMLINKS if is_strict(path) else 0
    try:
        return files.openat2(root.fd, path, os.O_PATH, resolve=files.IN_ROOT | files.NO_MAGICLINKS | strict)
    except KernelError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return -1
        raise


def is_strict(path: str) -> bool:
    """Whether no link at all may be walked on the way (CVE-2019-19921)."""
    return os.path.normpath(f"/{path}").lstrip("/").split("/")[0] in ("proc", "sys", "dev")


def enter(root: Root, *, read_only: bool, propagation: int = 0) -> None:
    """Make it the root of this namespace and let go of the old one for good: pivot_root(2), never chroot(2).

    `propagation` are MS_* flags for the new root, 0 to leave it private. It is private already, as are the mounts in it
    unless their own options say otherwise, so that MS_PRIVATE changes nothing.
    """
    os.fchdir(root.fd)
    if read_only:
        mounts.set_attributes(root.fd, mounts.ATTR_RDONLY)
    mounts.pivot_root(".", ".")
    mounts.unmount(".")
    os.chdir("/")
    os.close(root.fd)
    if propagation and not propagation & mounts.MS_PRIVATE:
        mounts.set_propagation("/", propagation)


def cover_console(root: Root, slave: int) -> None:
    """Show the terminal `slave` as /dev/console: the descriptor itself, at a place that no link leads to (CVE-2025-52565)."""
    console = mounts.open_tree("", directory=slave)
    try:
        root.attach(console, "/dev/console")
    finally:
        os.close(console)
