# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters of a container: only those of its own namespaces, written to a procfs that is one for certain."""

from __future__ import annotations

import errno
import os

from ..errors import EngineError, InvalidSpec, KernelError
from ..kernel import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .spaces import Spaces

# ipc_namespaces(7), and what the kernel keeps per network and per UTS namespace.
_IPC = frozenset(
    ("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
     "kernel.shm_rmid_forced", "kernel.msg_next_id", "kernel.sem_next_id", "kernel.shm_next_id")
)  # fmt: skip
_UTS = frozenset(("kernel.domainname", "kernel.hostname"))


def namespace_of(name: str) -> str:
    """The kind of namespace that a parameter ("net.core.somaxconn") belongs to, "" when it is the whole host's."""
    if name.startswith("net."):
        return "network"
    if name in _IPC or name.startswith("fs.mqueue."):
        return "ipc"
    return "uts" if name in _UTS else ""


def check(name: str, value: object, spaces: Spaces) -> str:
    """The path below /proc/sys.  InvalidSpec for a parameter of the host's, or of a namespace that is not the container's own."""
    path = _path(name)
    kind = namespace_of(path.replace("/", ".")) if path else ""
    if not kind:
        raise InvalidSpec(f"linux.sysctl: {name!a} is the whole host's, not a container's: set it on the host")
    if kind not in spaces.kinds:
        raise InvalidSpec(
            f"linux.sysctl: {name} is the host's as long as the container has no {kind} namespace of its own"
        )
    if not isinstance(value, str) or "\n" in value or "\0" in value:
        raise InvalidSpec(f"linux.sysctl: {name}: {value!a} is not one line of text")
    return path


def _path(name: str) -> str:
    """sysctl(8)'s two ways to write a name: the separator that comes first is the separator, the other one stands for it."""
    if not name.isascii() or not name.isprintable() or " " in name or "+" in name:
        return ""
    dot, slash = name.find("."), name.find("/")
    if slash < 0 or 0 <= dot < slash:
        name = name.translate({ord("."): "/", ord("/"): "."})
    parts = name.split("/")
    return "" if any(part in ("", ".", "..") for part in parts) else name


def write(root: int, name: str, value: str, spaces: Spaces) -> None:
    """Set it through the /proc below the directory `root`."""
    path = f"proc/sys/{check(name, value, spaces)}"
    try:
        fd = files.openat2(root, path, os.O_WRONLY, resolve=files.IN_ROOT | files.NO_SYMLINKS)
    except KernelError as error:
        reason = os.strerror(error.errno)
        if error.errno == errno.ENOENT:
            # Much of net.core is shown to all network namespaces only by later kernels.
            reason = "this kernel has it for the host alone, or not at all: leave it out"
        raise EngineError(f"linux.sysctl: {name}: {reason}") from error
    try:
        files.check_procfs(fd)
        os.write(fd, value.encode())
    except OSError as error:
        raise EngineError(f"linux.sysctl: {name}={value}: {error.strerror}") from error
    finally:
        os.close(fd)
