# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts that only the host's root can make, as detached descriptors: the overlay root, the device directory, the binds."""

from __future__ import annotations

import errno
import os
import stat

from ..errors import EngineError, KernelError, NotFound, Unsupported
from ..kernel import mounts, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NODES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
)
_ATTRIBUTES = {
    "ro": mounts.ATTR_RDONLY,
    "nosuid": mounts.ATTR_NOSUID,
    "nodev": mounts.ATTR_NODEV,
    "noexec": mounts.ATTR_NOEXEC,
}


def attributes(options: list[str]) -> int:
    """The mount attributes among the OCI mount options."""
    return sum(_ATTRIBUTES[option] for option in set(options) if option in _ATTRIBUTES)


def open_overlay(layers: tuple[str, ...], home: str, scratch: str, userns_fd: int, owner: int) -> int:
    """A detached overlay of `layers` (topmost first) with home/upper on top; ids on disk are the container's own.

    `owner` is the host id of the container's root. With `userns_fd` (-1 for none) each layer is seen through an idmapped
    mount, which overlayfs takes since Linux 5.19. Overlayfs looks its layers up by path, so they are attached below
    `scratch`, a directory, while the overlay is made: the caller must have a mount namespace of its own. Unsupported,
    with the way out, when kernel or file system can't.
    """
    mounts.mount("tmpfs", scratch, "tmpfs", mounts.MS_NOSUID | mounts.MS_NODEV, "mode=0700,size=1m")
    try:
        os.chdir(scratch)
        for number, source in enumerate((*layers, home)):
            _attach(source, str(number), userns_fd)
        os.mkdir("root")
        # Short relative names: mount(2) takes one page of options, and images have up to 127 layers.
        lower, top = ":".join(str(number) for number in range(len(layers))), len(layers)
        data = f"lowerdir={lower},upperdir={top}/upper,workdir={top}/work,redirect_dir=off,metacopy=off,index=off"
        # Overlayfs works on the upper with its mounter's ids, and the host's root has none in an idmapped mount.
        process.act_as(owner)
        try:
            _mount_overlay(data)
        finally:
            process.act_as(0)
        return mounts.open_tree("root")
    finally:
        os.chdir("/")
        mounts.unmount(scratch)


def _mount_overlay(data: str) -> None:
    try:
        mounts.mount("overlay", "root", "overlay", mounts.MS_NODEV, data)
    except KernelError as error:
        if error.errno == errno.ENODEV:
            raise Unsupported("this kernel has no overlay file system: load the module overlay") from error
        if error.errno == errno.EINVAL:
            raise Unsupported(
                "this kernel can't stack these layers in a user namespace: use userns_mode: host"
            ) from error
        raise


def _attach(source: str, name: str, userns_fd: int) -> None:
    os.mkdir(name)
    tree = mounts.open_tree(source)
    try:
        if userns_fd >= 0:
            mounts.set_attributes(tree, 0, userns_fd=userns_fd)
        mounts.move_to_path(tree, name)
    except KernelError as error:
        if error.errno in (errno.EINVAL, errno.ENOSYS, errno.EPERM):
            raise Unsupported(
                f"the file system of {source} can't be mapped into a user namespace here ({error}): use userns_mode: host"
            ) from error
        raise
    finally:
        os.close(tree)


def open_devices(options: list[str], owner: int) -> int:
    """A detached tmpfs for /dev with the six nodes every program expects, owned by host id `owner`.

    The nodes are the engine's own, so nothing that an image put at /dev can be mistaken for them (CVE-2025-31133).
    """
    pairs = tuple((key, value) for key, _unused, value in (option.partition("=") for option in options) if value)
    device = mounts.open_filesystem("tmpfs", pairs, attributes(options) & ~mounts.ATTR_NODEV)
    for name, major, minor in _NODES:
        os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(major, minor), dir_fd=device)
        os.chown(name, owner, owner, dir_fd=device)
    for name, target in (*_LINKS, ("ptmx", "pts/ptmx")):
        os.symlink(target, name, dir_fd=device)
        os.chown(name, owner, owner, dir_fd=device, follow_symlinks=False)
    for name in ("pts", "shm", "mqueue"):
        os.mkdir(name, 0o755, dir_fd=device)
        os.chown(name, owner, owner, dir_fd=device)
    os.close(os.open("console", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=device))
    os.chown("console", owner, owner, dir_fd=device)
    os.chown(".", owner, owner, dir_fd=device)
    return device


def open_bind(entry: dict[str, Any], userns_fd: int) -> int:
    """A detached copy of the bind mount's source, with its attributes; ids are mapped where the file system can.

    NotFound when the source is missing: a bind never makes it.
    """
    source, options = str(entry["source"]), list(entry["options"])
    recursive = "rbind" in options
    try:
        tree = mounts.open_tree(source, recursive=recursive)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            raise NotFound(f"bind source {source} does not exist on this host: make it first") from error
        raise EngineError(f"bind source {source}: {os.strerror(error.errno)}") from error
    if userns_fd >= 0 and not source.startswith(("/sys", "/proc", "/dev")):
        _map_if_possible(tree, userns_fd, recursive=recursive)
    mounts.set_attributes(tree, attributes(options), recursive=recursive)
    return tree


def _map_if_possible(tree: int, userns_fd: int, *, recursive: bool) -> None:
    """Without it the files belong to nobody inside, which is safe but rarely wanted."""
    for deep in (recursive, False):
        try:
            return mounts.set_attributes(tree, 0, userns_fd=userns_fd, recursive=deep)
        except KernelError as error:
            if error.errno not in (errno.EINVAL, errno.EPERM, errno.ENOSYS):
                raise
    return None
