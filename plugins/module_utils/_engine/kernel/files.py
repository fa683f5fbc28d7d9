# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening files where the path comes from somebody else: openat2(2) keeps the walk below a directory descriptor."""

from __future__ import annotations

import ctypes
import os

from .libc import syscall

NO_MAGICLINKS, NO_SYMLINKS, BENEATH, IN_ROOT = 0x02, 0x04, 0x08, 0x10


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(directory: int, path: str | bytes, flags: int, *, resolve: int, mode: int = 0) -> int:
    """openat2(2) (Linux 5.6); O_CLOEXEC is added. `resolve` is one or more of the flags above."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    raw = os.fsencode(path)
    return syscall("openat2", directory, raw, ctypes.byref(how), ctypes.sizeof(how), subject=os.fsdecode(raw))
