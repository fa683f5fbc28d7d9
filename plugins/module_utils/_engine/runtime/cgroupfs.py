# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container sees of its cgroups: its own groups and nothing above them, on version 1, version 2 and hosts with both."""

from __future__ import annotations

import errno
import os

from ..errors import KernelError
from ..kernel import mounts
from .root import Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .mountoptions import Mount

_REFUSALS = (errno.EPERM, errno.EBUSY, errno.EINVAL, errno.ENOENT)
_HOME = "/sys/fs/cgroup"


def mount(root: Root, entry: Mount, *, own: bool) -> None:
    """Mount "cgroup" or "cgroup2" of config.json. `own`: this process is in a cgroup namespace made after its groups were joined.

    Without one a version 1 hierarchy is shown from the container's group down, as a bind; version 2 is shown whole, as
    runtimes do. A hierarchy that can't be shown is left out: the container then sees an empty directory.
    """
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    named = {controllers: path for _number, controllers, path in lines if controllers}
    if not named or entry.type == "cgroup2":
        return _mount_unified(root, entry)
    flags = entry.options.set | entry.options.deep_set
    options = (("source", entry.source), ("mode", "755"), ("size", "64k"))
    tree = mounts.open_filesystem("tmpfs", options, flags & ~mounts.ATTR_RDONLY)
    root.attach(tree, entry.target)
    points = {} if own else _mount_points()
    for controllers, path in named.items():
        directory = controllers.rpartition("=")[2]
        os.mkdir(directory, 0o755, dir_fd=tree)
        target = f"{entry.target}/{directory}"
        if own:
            _attach_new(root, "cgroup", _options(controllers), flags, target)
        elif controllers in points:
            _attach_copy(root, _below(points[controllers], path), flags, target)
        for name in controllers.split(",") if "," in controllers else ():
            # As hosts have it: cpu and cpuacct lead to cpu,cpuacct.
            os.symlink(directory, name, dir_fd=tree)
    if flags & mounts.ATTR_RDONLY:
        mounts.set_attributes(tree, mounts.ATTR_RDONLY)
    os.close(tree)
    return None


def _mount_unified(root: Root, entry: Mount) -> None:
    flags = entry.options.set | entry.options.deep_set
    try:
        tree = mounts.open_filesystem("cgroup2", (("source", entry.source),), flags)
    except KernelError as error:
        if error.errno not in _REFUSALS:
            raise
        return _attach_copy(root, _HOME, flags, entry.target)
    root.attach(tree, entry.target)
    os.close(tree)
    return None


def _options(controllers: str) -> tuple[tuple[str, str], ...]:
    if "=" in controllers:
        return (("none", ""), ("name", controllers.rpartition("=")[2]))
    return tuple((name, "") for name in controllers.split(","))


def _attach_new(root: Root, fstype: str, pairs: tuple[tuple[str, str], ...], flags: int, target: str) -> None:
    try:
        tree = mounts.open_filesystem(fstype, (("source", "cgroup"), *pairs), flags)
    except KernelError as error:
        if error.errno in _REFUSALS:
            return
        raise
    root.attach(tree, target)
    os.close(tree)


def _attach_copy(root: Root, source: str, flags: int, target: str) -> None:
    try:
        tree = mounts.open_tree(source)
    except KernelError as error:
        if error.errno in _REFUSALS:
            return
        raise
    mounts.set_attributes(tree, flags)
    root.attach(tree, target)
    os.close(tree)


def _mount_points() -> dict[str, tuple[str, str]]:
    """By controllers, as /proc/self/cgroup writes them: where the host has each hierarchy, and which part of it (proc_pid_mountinfo(5))."""
    found = {}
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            place, _unused, kind = line.rstrip("\n").partition(" - ")
            fstype, _source, options = kind.split(" ", 2)
            if fstype == "cgroup":
                words = options.split(",")
                fields = place.split(" ")
                key = next((word for word in words if word.startswith("name=")), "")
                found[key or ",".join(word for word in words if word not in _MANNERS)] = (fields[4], fields[3])
    return found


_MANNERS = frozenset(("rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "seclabel"))


def _below(point: tuple[str, str], path: str) -> str:
    """The group `path` below a mount point that shows the hierarchy from some group on."""
    where, shown = point
    return f"{where}{path[len(shown.rstrip('/')) :]}" if path.startswith(shown.rstrip("/")) else where
