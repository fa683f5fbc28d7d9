# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's root, put together from inside its own mount namespace; every target is opened below the root, never by path."""

from __future__ import annotations

import errno
import os
import stat

from ..errors import KernelError, Refused, from_os
from ..kernel import files, mounts
from . import parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_IGNORED = frozenset(
    ("rbind", "bind", "rw", "ro", "nosuid", "nodev", "noexec", "relatime", "strictatime", "rprivate", "newinstance")
)


class Root:
    """A root under construction: `fd` refers to it, `made` lists the mount points that had to be created in it."""

    __slots__ = ("fd", "made")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.made: list[str] = []

    def attach(self, mount_fd: int, target: str) -> None:
        """Put a detached mount at `target`, which is created if it is missing (a file for a file)."""
        is_directory = os.fstat(mount_fd).st_mode & 0o170000 == 0o040000
        place = self.open_target(target, directory=is_directory)
        try:
            mounts.move(mount_fd, place)
        finally:
            os.close(place)

    def open_target(self, path: str, *, directory: bool) -> int:
        """A descriptor of `path` below the root. /proc, /sys and /dev may not be reached through a link (CVE-2019-19921)."""
        strict = path.split("/")[1] in ("proc", "sys", "dev")
        resolve = files.IN_ROOT | files.NO_MAGICLINKS | (files.NO_SYMLINKS if strict else 0)
        try:
            return files.openat2(self.fd, path, os.O_PATH, resolve=resolve)
        except KernelError as error:
            if error.errno == errno.ELOOP:
                raise Refused(f"{path} is a link in this image, and nothing may be mounted through it") from error
            if error.errno != errno.ENOENT:
                raise
        self._create(path, directory=directory, resolve=resolve)
        return files.openat2(self.fd, path, os.O_PATH, resolve=resolve)

    def _create(self, path: str, *, directory: bool, resolve: int) -> None:
        parent, _unused, name = path.rstrip("/").rpartition("/")
        above = self.open_target(parent, directory=True) if parent else os.dup(self.fd)
        try:
            real = os.open(f"/proc/self/fd/{above}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
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
            # A commit compares directories with those below: making a mount point must not look like a change.
            os.utime(real, ns=(before.st_atime_ns, before.st_mtime_ns))
            # Where it really is: a link of the image's may have led there.
            here, there = (os.readlink(f"/proc/self/fd/{fd}") for fd in (self.fd, real))
            self.made.append(f"{there[len(here.rstrip('/')) :].rstrip('/')}/{name}")
        except FileExistsError:
            raise Refused(f"{path} is a link to nothing in this image, and nothing can be mounted there") from None
        except OSError as error:
            raise from_os(error, f"make the mount point {path}") from error
        finally:
            os.close(real)


def mount_all(root: Root, entries: list[dict[str, Any]], given: dict[str, int]) -> None:
    """Attach every mount of config.json but cgroup; `given` holds the descriptors that the host's side opened, by destination."""
    for entry in entries:
        target = entry["destination"]
        if target in given:
            root.attach(given.pop(target), target)
        elif entry["type"] != "cgroup":
            _mount_one(root, entry)


def _mount_one(root: Root, entry: dict[str, Any]) -> None:
    options = [option for option in entry["options"] if option not in _IGNORED]
    pairs = tuple((key, value) for key, _unused, value in (option.partition("=") for option in options))
    tree = mounts.open_filesystem(entry["type"], pairs, parts.attributes(entry["options"]))
    try:
        root.attach(tree, entry["destination"])
    finally:
        os.close(tree)


def mount_cgroups(root: Root, entry: dict[str, Any]) -> None:
    """Show the container its own groups and nothing above them: needs the cgroup namespace, and joins made before it."""
    flags = parts.attributes(entry["options"])
    with open("/proc/self/cgroup", encoding="ascii") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    named = [controllers for _number, controllers, _path in lines if controllers]
    if not named:
        return _attach_new(root, "cgroup2", (), flags, entry["destination"])
    tree = mounts.open_filesystem("tmpfs", (("mode", "755"), ("size", "64k")), flags & ~mounts.ATTR_RDONLY)
    root.attach(tree, entry["destination"])
    for controllers in named:
        directory = controllers.rpartition("=")[2]
        pairs = (
            (("none", ""), ("name", directory))
            if "=" in controllers
            else tuple((name, "") for name in controllers.split(","))
        )
        os.mkdir(directory, 0o755, dir_fd=tree)
        _attach_new(root, "cgroup", pairs, flags, f"{entry['destination']}/{directory}")
    mounts.set_attributes(tree, flags)
    os.close(tree)
    return None


def _attach_new(root: Root, fstype: str, pairs: tuple[tuple[str, str], ...], flags: int, target: str) -> None:
    """A hierarchy that this namespace may not mount is left out: the container then sees an empty directory."""
    try:
        tree = mounts.open_filesystem(fstype, pairs, flags)
    except KernelError as error:
        if error.errno in (errno.EPERM, errno.EBUSY, errno.EINVAL, errno.ENOENT):
            return
        raise
    root.attach(tree, target)
    os.close(tree)


def hide(root: Root, masked: list[str], read_only: list[str]) -> None:
    """Cover files with /dev/null and directories with an empty tmpfs; make the rest of the list read-only.

    Both come from the engine's own mounts, and a target that is not there needs no cover.
    """
    empty = mounts.open_filesystem("tmpfs", (("size", "4k"), ("mode", "755")), mounts.ATTR_RDONLY)
    null = files.openat2(root.fd, "dev/null", os.O_PATH, resolve=files.IN_ROOT | files.NO_SYMLINKS)
    used = False
    for path in masked:
        place = _open_existing(root, path)
        if place < 0:
            continue
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            _cover(place, null)
        elif used:
            _cover(place, empty)
        else:
            # open_tree(2) copies a mount that is not attached anywhere only since Linux 6.15.
            mounts.move(empty, place)
            used = True
        os.close(place)
    for path in read_only:
        place = _open_existing(root, path)
        if place < 0:
            continue
        cover = mounts.open_tree("", directory=place, recursive=True)
        mounts.set_attributes(cover, mounts.ATTR_RDONLY, recursive=True)
        mounts.move(cover, place)
        os.close(cover)
        os.close(place)
    os.close(null)
    os.close(empty)


def _cover(place: int, source: int) -> None:
    copy = mounts.open_tree("", directory=source)
    mounts.move(copy, place)
    os.close(copy)


def _open_existing(root: Root, path: str) -> int:
    try:
        return files.openat2(root.fd, path, os.O_PATH, resolve=files.IN_ROOT | files.NO_SYMLINKS)
    except KernelError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return -1
        raise


def enter(root: Root, *, read_only: bool) -> None:
    """Make it the root of this namespace and let go of the old one for good: pivot_root(2), never chroot(2)."""
    os.fchdir(root.fd)
    if read_only:
        mounts.set_attributes(root.fd, mounts.ATTR_RDONLY)
    mounts.pivot_root(".", ".")
    mounts.unmount(".")
    os.chdir("/")
    os.close(root.fd)
