# SPDX-License-Identifier: GPL-3.0-or-later
"""mount(2) and the descriptors of the newer mount interface (fsopen(2), open_tree(2), mount_setattr(2), move_mount(2))."""

from __future__ import annotations

import ctypes
import os

from ..errors import KernelError
from .libc import check, libc, syscall

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8

ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_NOEXEC = 0x1, 0x2, 0x4, 0x8
# Times of access are a field of their own: 0 in it is relatime.
ATTR_ATIME, ATTR_NOATIME, ATTR_STRICTATIME, ATTR_NODIRATIME = 0x70, 0x10, 0x20, 0x80
ATTR_IDMAP, ATTR_NOSYMFOLLOW = 0x100000, 0x200000
LONGEST_VALUE = 255

_AT_EMPTY_PATH, _AT_RECURSIVE, _AT_FDCWD = 0x1000, 0x8000, -100
_OPEN_TREE_CLONE = 1
_MOVE_EMPTY_FROM, _MOVE_EMPTY_TO = 0x4, 0x40
_FSCONFIG_SET_FLAG, _FSCONFIG_SET_STRING, _FSCONFIG_CREATE, _FSCONFIG_RECONFIGURE = 0, 1, 6, 7
_FSPICK_CLOEXEC, _FSPICK_EMPTY_PATH = 0x1, 0x8


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns", ctypes.c_uint64),
    )


def mount(source: str, target: str, fstype: str, flags: int, data: str) -> None:
    """mount(2)."""
    check(
        libc.mount(os.fsencode(source), os.fsencode(target), fstype.encode(), ctypes.c_ulong(flags), data.encode()),
        "mount",
        target,
    )


def set_propagation(target: str, flags: int) -> None:
    """mount(2) that changes only how events travel: MS_PRIVATE, MS_SLAVE or MS_SHARED, usually with MS_REC."""
    check(libc.mount(None, os.fsencode(target), None, ctypes.c_ulong(flags), None), "mount", target)


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    """umount2(2)."""
    check(libc.umount2(os.fsencode(target), flags), "umount2", target)


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2). With "." and "." the old root lands on top of the new one and can be detached (its man page, NOTES)."""
    syscall("pivot_root", os.fsencode(new), os.fsencode(old), subject=new)


def open_tree(path: str, *, recursive: bool = False, directory: int = _AT_FDCWD) -> int:
    """A descriptor of a detached copy of the mount at `path` (below `directory`; "" is the descriptor itself)."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | (_AT_RECURSIVE if recursive else 0) | (0 if path else _AT_EMPTY_PATH)
    return syscall("open_tree", directory, os.fsencode(path), flags, subject=path)


def set_attributes(
    mount_fd: int, attributes: int, *, clear: int = 0, propagation: int = 0, userns_fd: int = 0, recursive: bool = False
) -> None:
    """mount_setattr(2) on a descriptor: clears, then adds; `userns_fd` gives the id map of ATTR_IDMAP.

    `propagation` is MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE, 0 to leave it as it is.
    """
    wanted = _MountAttr(attributes | (ATTR_IDMAP if userns_fd else 0), clear, propagation, userns_fd)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    syscall("mount_setattr", mount_fd, b"", flags, ctypes.byref(wanted), ctypes.sizeof(wanted))


def move(mount_fd: int, target_fd: int) -> None:
    """move_mount(2) of a detached mount onto the place that `target_fd` refers to: no path is walked."""
    syscall("move_mount", mount_fd, b"", target_fd, b"", _MOVE_EMPTY_FROM | _MOVE_EMPTY_TO)


def move_to_path(mount_fd: int, target: str) -> None:
    """move_mount(2) of a detached mount onto a path of the engine's own."""
    syscall("move_mount", mount_fd, b"", _AT_FDCWD, os.fsencode(target), _MOVE_EMPTY_FROM, subject=target)


def open_filesystem(fstype: str, options: tuple[tuple[str, str], ...], attributes: int = 0) -> int:
    """A descriptor of a new detached mount: fsopen(2), fsconfig(2), fsmount(2). An option with the value "" is a flag.

    No value may be longer than LONGEST_VALUE bytes. The kernel's own explanation, when it gives one, is in the
    KernelError's subject.
    """
    context = syscall("fsopen", fstype.encode(), 1, subject=fstype)
    try:
        _configure(context, fstype, options)
        syscall("fsconfig", context, _FSCONFIG_CREATE, None, None, 0, subject=fstype)
        return syscall("fsmount", context, 1, attributes, subject=fstype)
    except KernelError as error:
        raise KernelError(error.call, f"{error.subject}{_explanation(context)}", error.errno) from None
    finally:
        os.close(context)


def reconfigure(mount_fd: int, options: tuple[tuple[str, str], ...]) -> None:
    """fspick(2) and fsconfig(2): change a mounted file system wherever it is seen, as mount(2) with MS_REMOUNT does."""
    context = syscall("fspick", mount_fd, b"", _FSPICK_CLOEXEC | _FSPICK_EMPTY_PATH)
    try:
        _configure(context, "remount", options)
        syscall("fsconfig", context, _FSCONFIG_RECONFIGURE, None, None, 0, subject="remount")
    except KernelError as error:
        raise KernelError(error.call, f"{error.subject}{_explanation(context)}", error.errno) from None
    finally:
        os.close(context)


def _configure(context: int, what: str, options: tuple[tuple[str, str], ...]) -> None:
    for key, value in options:
        command, pointer = (_FSCONFIG_SET_STRING, os.fsencode(value)) if value else (_FSCONFIG_SET_FLAG, None)
        syscall("fsconfig", context, command, key.encode(), pointer, 0, subject=f"{what} {key}={value}")


def _explanation(context: int) -> str:
    try:
        lines = os.read(context, 4096).decode(errors="replace").strip()
    except OSError:
        return ""
    return f" ({lines})" if lines else ""
