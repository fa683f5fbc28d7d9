# SPDX-License-Identifier: GPL-3.0-or-later
"""Into a root without pivot_root(2), for hosts whose own root is the kernel's first file system, which can't be pivoted away.

The host's root stays below the container's, out of sight, and out of reach for whoever may not mount.
"""

from __future__ import annotations

import os

from ..errors import KernelError
from ..kernel import mounts
from .root import Root

_MS_MOVE = 8192
_KERNELS = ("proc", "sysfs")


def enter(root: Root, *, read_only: bool, propagation: int = 0) -> None:
    """As root.enter, by moving the new root over the old one.

    The old root's /proc and /sys go first: where they are seen whole, a user namespace made in the container could mount them
    anew without what hides the container's (mount_too_revealing in the kernel's fs/namespace.c).
    """
    own = os.readlink(f"/proc/self/fd/{root.fd}")
    for point in _others(own):
        _take_away(point)
    os.fchdir(root.fd)
    if read_only:
        mounts.set_attributes(root.fd, mounts.ATTR_RDONLY)
    mounts.mount(".", "/", "", _MS_MOVE, "")
    os.chroot(".")
    os.chdir("/")
    os.close(root.fd)
    if propagation and not propagation & mounts.MS_PRIVATE:
        mounts.set_propagation("/", propagation)


def _others(own: str) -> list[str]:
    """Where there is a proc or sysfs that is none of those below `own`, the deepest first (proc_pid_mountinfo(5))."""
    found = []
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            before, _unused, after = line.partition(b" - ")
            point = os.fsdecode(_plain(before.split(b" ")[4]))
            if os.fsdecode(after.split(b" ")[0]) in _KERNELS and not f"{point}/".startswith(f"{own}/"):
                found.append(point)
    return sorted(found, key=len, reverse=True)


def _plain(name: bytes) -> bytes:
    for code in (b"040", b"011", b"012", b"134"):
        name = name.replace(b"\\" + code, bytes((int(code, 8),)))
    return name


def _take_away(point: str) -> None:
    try:
        mounts.unmount(point, mounts.MNT_DETACH | mounts.UMOUNT_NOFOLLOW)
    except KernelError:
        # Locked by a user namespace, or already below another that is gone.
        if os.path.isdir(point):
            mounts.mount("tmpfs", point, "tmpfs", mounts.MS_RDONLY, "size=4k")
