# SPDX-License-Identifier: GPL-3.0-or-later
"""Making, joining and marking processes: clone3(2), setns(2), pidfds, prctl(2), capset(2)."""

from __future__ import annotations

import ctypes
import errno
import os

from ..errors import KernelError
from . import capsets
from .libc import NUMBERS, check, libc, pylibc, syscall

NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET, NEWTIME = 0x10000000, 0x20000000, 0x40000000, 0x80
_INTO_CGROUP = 0x200000000
_CLONE_PARENT = 0x8000
_SIGCHLD = 17
_SIGKILL = 9

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_GET_SECUREBITS, _PR_SET_SECUREBITS = 4, 8, 27, 28
_PR_SET_TIMERSLACK, _PR_SET_NO_NEW_PRIVS, _PR_SET_THP_DISABLE = 29, 38, 41
_CLOSE_RANGE_CLOEXEC = 4
_KEYCTL_JOIN_SESSION_KEYRING = 1
# What the kernel gives to its first process, in nanoseconds (init/init_task.c).
_TIMER_SLACK = 50_000


def clone(flags: int, cgroup_fd: int = -1, *, sibling: bool = False) -> int:
    """clone3(2) as fork: 0 in the child, the child's pid in the parent. `flags` are NEW* flags.

    With `cgroup_fd` (a cgroup v2 directory, Linux 5.7) the child is born in that cgroup: no move, no grace period.
    A `sibling` is a child of the caller's parent, and ends with the signal that the caller would end with (CLONE_PARENT).
    """
    into = cgroup_fd >= 0
    flags |= (_INTO_CGROUP if into else 0) | (_CLONE_PARENT if sibling else 0)
    arguments = (ctypes.c_uint64 * 11)(flags, 0, 0, 0, 0 if sibling else _SIGCHLD, 0, 0, 0, 0, 0, max(cgroup_fd, 0))
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    size = ctypes.c_long(88 if into else 64)
    pid = int(pylibc.syscall(ctypes.c_long(NUMBERS["clone3"]), ctypes.byref(arguments), size))
    number = ctypes.get_errno()
    if pid == 0:
        python.PyOS_AfterFork_Child()
        return 0
    python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise KernelError("clone3", "", number)
    return pid


def unshare(flags: int) -> None:
    """unshare(2)."""
    check(libc.unshare(flags), "unshare")


def setns(fd: int, kind: int = 0) -> None:
    """setns(2)."""
    check(libc.setns(fd, kind), "setns")


def sethostname(name: str) -> None:
    """sethostname(2), in the caller's UTS namespace."""
    raw = name.encode()
    check(libc.sethostname(raw, ctypes.c_size_t(len(raw))), "sethostname", name)


def setdomainname(name: str) -> None:
    """setdomainname(2), in the caller's UTS namespace."""
    raw = name.encode()
    check(libc.setdomainname(raw, ctypes.c_size_t(len(raw))), "setdomainname", name)


def open_pidfd(pid: int) -> int:
    """pidfd_open(2): readable once the process has ended."""
    return syscall("pidfd_open", pid, 0, subject=str(pid))


def send_signal(pidfd: int, number: int) -> bool:
    """pidfd_send_signal(2); False when the process is gone already."""
    try:
        syscall("pidfd_send_signal", pidfd, number, None, 0)
    except KernelError as error:
        if error.errno == errno.ESRCH:
            return False
        raise
    return True


def close_from(first: int, *, on_exec: bool = False) -> None:
    """close_range(2) of every descriptor from `first` up, or only at the next execve(2); /proc tells where it is missing."""
    try:
        syscall("close_range", first, 0x7FFFFFFF, _CLOSE_RANGE_CLOEXEC if on_exec else 0)
    except KernelError:
        for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
            if fd >= first:
                _close_quietly(fd, on_exec)


def _close_quietly(fd: int, on_exec: bool) -> None:
    try:
        if on_exec:
            os.set_inheritable(fd, False)
        else:
            os.close(fd)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise


def set_dumpable(value: bool) -> None:
    """PR_SET_DUMPABLE: without it nobody in the container may open this process's /proc files or trace it."""
    _prctl(_PR_SET_DUMPABLE, int(value))


def set_no_new_privs() -> None:
    """PR_SET_NO_NEW_PRIVS, for good."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def keep_capabilities() -> None:
    """PR_SET_KEEPCAPS: permitted capabilities survive the change to another user, until execve(2)."""
    _prctl(_PR_SET_KEEPCAPS, 1)


def act_as(ident: int) -> None:
    """setfsuid(2) and setfsgid(2), keeping every capability: files are then made for `ident`, with the rights of root."""
    libc.setfsgid(ident)
    libc.setfsuid(ident)
    held = capsets.permitted()
    capsets.set_all(held, effective=held)


def new_session_keyring() -> None:
    """keyctl(2) JOIN_SESSION_KEYRING: the caller's keys stay outside; a kernel without keys has none to leak."""
    try:
        syscall("keyctl", _KEYCTL_JOIN_SESSION_KEYRING, None)
    except KernelError as error:
        if error.errno not in (errno.ENOSYS, errno.EDQUOT):
            raise


def personality(value: int) -> None:
    """personality(2): what `value` has of PER_* and flags, if this process has not just that."""
    if syscall("personality", 0xFFFFFFFF) != value:
        syscall("personality", value)


def reset_habits() -> None:
    """Undo prctl(2) settings that a caller may have left and execve(2) keeps: secure bits, timer slack, huge pages."""
    if libc.prctl(_PR_GET_SECUREBITS, 0, 0, 0, 0) > 0:
        # Locked bits stay: only who may set them could have locked them.
        libc.prctl(_PR_SET_SECUREBITS, ctypes.c_ulong(0), 0, 0, 0)
    _prctl(_PR_SET_TIMERSLACK, _TIMER_SLACK)
    _prctl(_PR_SET_THP_DISABLE, 0)


def die_with_parent(parent: int) -> None:
    """PR_SET_PDEATHSIG: a child of the process `parent` is killed when that ends, and at once when it has ended already."""
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _prctl(option: int, value: int) -> None:
    check(libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), "prctl", str(option))
