# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening files where the path comes from somebody else: openat2(2) keeps the walk below a directory descriptor."""

from __future__ import annotations

import ctypes
import errno
import os

from ..errors import KernelError, Refused
from .libc import check, libc, syscall

NO_MAGICLINKS, NO_SYMLINKS, BENEATH, IN_ROOT = 0x02, 0x04, 0x08, 0x10
# A rename or a mount anywhere on the host while the kernel walks a ".." makes it say EAGAIN: the caller is to ask again.
_TRIES = 128
PROC_SUPER_MAGIC, DEVPTS_SUPER_MAGIC = 0x9FA0, 0x1CD1


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(directory: int, path: str | bytes, flags: int, *, resolve: int, mode: int = 0) -> int:
    """openat2(2) (Linux 5.6); O_CLOEXEC is added. `resolve` is one or more of the flags above."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    raw = os.fsencode(path)
    for _unused in range(_TRIES):
        try:
            return syscall("openat2", directory, raw, ctypes.byref(how), ctypes.sizeof(how), subject=os.fsdecode(raw))
        except KernelError as error:
            if error.errno != errno.EAGAIN:
                raise
    raise KernelError("openat2", os.fsdecode(raw), errno.EAGAIN)


def open_beneath(directory: int, path: bytes, flags: int) -> int:
    """Open `path` below `directory` through directories only: a symlink on the way is ELOOP. The caller closes.

    `path` is relative and has no `..`. Kernels before 5.6 have no openat2; there every component is opened on its own.
    """
    try:
        return openat2(directory, path or b".", flags, resolve=BENEATH | NO_SYMLINKS)
    except KernelError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
    return _open_by_steps(directory, path, flags)


def _open_by_steps(directory: int, path: bytes, flags: int) -> int:
    *parents, last = path.split(b"/") if path else [b"."]
    here = os.dup(directory)
    try:
        for name in parents:
            below = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
        return os.open(last, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    except OSError as error:
        raise KernelError("open", os.fsdecode(path), error.errno or errno.EIO) from None
    finally:
        os.close(here)


def syncfs(directory: int) -> None:
    """syncfs(2): everything written to that file system so far is on its disk."""
    check(libc.syncfs(directory), "syncfs")


def statfs_type(path: str) -> int:
    """The kind of file system at `path`, statfs(2): f_type, the first word of the structure."""
    buffer = ctypes.create_string_buffer(256)
    check(libc.statfs(os.fsencode(path), buffer), "statfs", path)
    return ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF


def fstatfs_type(fd: int) -> int:
    """fstatfs(2): the kind of file system that `fd` is on, whatever it was mounted over."""
    buffer = ctypes.create_string_buffer(256)
    check(libc.fstatfs(fd, buffer), "fstatfs")
    return ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF


def check_procfs(fd: int) -> None:
    """Refused unless `fd` is on a procfs: where a write must not be led elsewhere (CVE-2019-19921, CVE-2025-52881)."""
    if fstatfs_type(fd) != PROC_SUPER_MAGIC:
        raise Refused("what is mounted at /proc is no procfs, and nothing may be written there")
