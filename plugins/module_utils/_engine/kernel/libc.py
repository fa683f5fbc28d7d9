# SPDX-License-Identifier: GPL-3.0-or-later
"""The C library as Python sees it, and the one way in which a system call fails: with its own name."""

from __future__ import annotations

import ctypes
import os

from ..errors import KernelError

libc = ctypes.CDLL(None, use_errno=True)
# A child that shares nothing must not be made while another thread could run: PyDLL keeps the interpreter lock.
pylibc = ctypes.PyDLL(None, use_errno=True)

_MACHINE = os.uname().machine
# Numbers from 424 up are the same everywhere (include/uapi/asm-generic/unistd.h); the older ones are not.
_OLD = {
    "x86_64": {
        "pivot_root": 155, "keyctl": 250, "syncfs": 306, "personality": 135, "ioprio_set": 251, "sched_setattr": 314,
        "seccomp": 317, "bpf": 321, "set_mempolicy": 238,
    },
    "aarch64": {
        "pivot_root": 41, "keyctl": 219, "syncfs": 267, "personality": 92, "ioprio_set": 30, "sched_setattr": 274,
        "seccomp": 277, "bpf": 280, "set_mempolicy": 237,
    },
}  # fmt: skip
_NEW = {
    "pidfd_send_signal": 424, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_open": 434, "clone3": 435, "close_range": 436, "openat2": 437, "mount_setattr": 442,
}  # fmt: skip
NUMBERS = {**_NEW, **_OLD.get(_MACHINE, {})}


def trim() -> None:
    """malloc_trim(3): give the kernel back what was freed, for a process that waits long; a C library without it keeps all."""
    try:
        libc.malloc_trim(ctypes.c_size_t(0))
    except AttributeError:
        return


def check(result: int, call: str, subject: str = "") -> int:
    """`result`, or KernelError with the C library's errno when it is -1."""
    if result == -1:
        raise KernelError(call, subject, ctypes.get_errno())
    return result


def syscall(name: str, *arguments: object, subject: str = "") -> int:
    """A system call that the C library may not wrap. Integers are passed as 64 bits, bytes as pointers."""
    wide = (ctypes.c_long(item) if isinstance(item, int) else item for item in arguments)
    return check(libc.syscall(ctypes.c_long(NUMBERS[name]), *wide), name, subject)
