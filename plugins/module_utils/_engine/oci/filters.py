# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's seccomp filter, and the socket to which the listener of one that asks is given."""

from __future__ import annotations

import os

from .. import jsontext
from ..errors import EngineError, InvalidSpec
from ..kernel import sockets
from ..kernel.sockets import Socket
from ..security import seccomp
from ..version import OCI

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .config import Config

# Compiled filters, by what they were compiled of.
_CACHE = "/run/berth/seccomp"


def compiled(profile: dict[str, Any] | None) -> seccomp.Program | None:
    """The program of linux.seccomp, None without one."""
    if not profile:
        return None
    os.makedirs(_CACHE, mode=0o700, exist_ok=True)
    return seccomp.compiled(_CACHE, profile)


def pass_on(config: Config, fd: int, state: dict[str, Any]) -> None:
    """Send a listener to linux.seccomp.listenerPath with the container process state (config-linux.md, Seccomp), and close it."""
    profile = config.linux.get("seccomp") or {}
    path = profile.get("listenerPath")
    message = {
        "ociVersion": OCI, "fds": ["seccompFd"], "pid": state["pid"], "metadata": profile.get("listenerMetadata") or "",
        "state": state,
    }  # fmt: skip
    try:
        if not path:
            raise InvalidSpec("linux.seccomp.listenerPath: SCMP_ACT_NOTIFY needs one")
        send_fd(path, jsontext.dumps(message).encode(), fd)
    finally:
        os.close(fd)


def send_fd(path: str, data: bytes, fd: int) -> None:
    """Send `data` with a descriptor to the local stream socket at `path`. EngineError when nobody takes it."""
    rights = [(sockets.SOL_SOCKET, sockets.SCM_RIGHTS, fd.to_bytes(4, "little"))]
    with Socket(sockets.AF_UNIX, sockets.SOCK_STREAM | sockets.SOCK_CLOEXEC) as end:
        try:
            directory = os.open(os.path.dirname(os.path.abspath(path)), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                end.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
            finally:
                os.close(directory)
            sent = end.sendmsg([data], rights)
            if sent < len(data):
                end.sendall(data[sent:])
        except OSError as error:
            raise EngineError(f"{path}: {error.strerror}: is somebody listening there?") from error
