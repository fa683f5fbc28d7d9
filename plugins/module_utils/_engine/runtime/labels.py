# SPDX-License-Identifier: GPL-3.0-or-later
"""The confinement that a process gets from its execve(2) on: an AppArmor profile, an SELinux context (proc_pid_attr(5)).

Each is written to a procfs that is one for certain: a write that lands elsewhere would leave the process unconfined.
"""

from __future__ import annotations

import errno
import os

from ..errors import EngineError, NotFound, Unsupported
from ..kernel import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NO_APPARMOR = "process.apparmorProfile: this kernel has no AppArmor: leave it out"
_NO_SELINUX = "process.selinuxLabel: this kernel has no SELinux: leave it out"


def wanted(process: dict[str, Any]) -> bool:
    """Whether the process is to be confined at all."""
    return bool(process.get("apparmorProfile") or process.get("selinuxLabel"))


def confine_on_exec(process: dict[str, Any], proc: int) -> None:
    """Write both to where the next execve(2) of this process finds them. `proc` is a descriptor of a procfs's root."""
    files.check_procfs(proc)
    profile, label = process.get("apparmorProfile"), process.get("selinuxLabel")
    if label:
        if not selinux_is_on(proc):
            raise Unsupported(_NO_SELINUX)
        _write(proc, "self/attr/exec", str(label).encode(), f"process.selinuxLabel {label!a}")
    if profile:
        place = "self/attr/apparmor/exec"
        _write(proc, place, f"exec {profile}".encode(), f"process.apparmorProfile {profile!a}", absent=_NO_APPARMOR)


def selinux_is_on(proc: int) -> bool:
    """Its file system is registered only where it is switched on (security/selinux/selinuxfs.c)."""
    fd = files.openat2(proc, "filesystems", os.O_RDONLY, resolve=files.BENEATH | files.NO_SYMLINKS)
    try:
        return b"\tselinuxfs\n" in os.read(fd, 1 << 16)
    finally:
        os.close(fd)


def _write(proc: int, place: str, data: bytes, what: str, *, absent: str = "") -> None:
    try:
        # "self" is a link of procfs's own.
        fd = os.open(place, os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
    except FileNotFoundError:
        raise Unsupported(absent or what) from None
    try:
        files.check_procfs(fd)
        os.write(fd, data)
    except OSError as error:
        if error.errno == errno.ENOENT:
            raise NotFound(f"{what} is not loaded on this host: load it first") from error
        if absent and error.errno == errno.EINVAL:
            raise Unsupported(absent) from error
        raise EngineError(f"{what}: {error.strerror}") from error
    finally:
        os.close(fd)
