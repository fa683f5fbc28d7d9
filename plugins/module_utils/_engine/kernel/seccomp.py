# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting a compiled filter over this process and all that come from it, for good: seccomp(2)."""

from __future__ import annotations

FLAG_NEW_LISTENER = 1 << 3
_SET_MODE_FILTER = 1


def install(code: bytes, flags: int) -> int:
    """Install `code`, an array of struct sock_filter; the listener's descriptor with FLAG_NEW_LISTENER, else -1.

    Needs no_new_privs, or CAP_SYS_ADMIN in the process's user namespace.
    """
    # Who only compiles a filter needs no C library, as a start does not.
    import ctypes

    from .libc import syscall

    class Program(ctypes.Structure):
        """struct sock_fprog."""

        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    program = Program(len(code) // 8, code)
    result = syscall("seccomp", _SET_MODE_FILTER, flags, ctypes.byref(program))
    return result if flags & FLAG_NEW_LISTENER else -1
