# SPDX-License-Identifier: GPL-3.0-or-later
"""What a first process does to namespaces that are the container's own: its root, its names, its loopback, its console."""

from __future__ import annotations

import fcntl
import os
import struct

from ..kernel import process, sockets
from ..kernel.sockets import Socket
from . import pty
from .root import Root, cover_console

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SIOCSIFFLAGS = 0x8914


def become_root() -> None:
    """Of the user namespace: from here on this process has no rights over anything of the host's."""
    os.setresgid(0, 0, 0)
    os.setgroups(())
    os.setresuid(0, 0, 0)
    # A change of ids resets it, and the container's processes could look into this one.
    process.set_dumpable(False)


def set_names(oci: dict[str, Any]) -> None:
    """hostname and domainname of config.json, for the UTS namespace of this process."""
    if oci.get("hostname"):
        process.sethostname(oci["hostname"])
    if oci.get("domainname"):
        process.setdomainname(oci["domainname"])


def raise_loopback() -> None:
    """Set IFF_UP on lo by SIOCSIFFLAGS (netdevice(7)): a network of one's own has at least itself."""
    with Socket(sockets.AF_INET, sockets.SOCK_DGRAM | sockets.SOCK_CLOEXEC) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", 1))


def open_console() -> tuple[int, int]:
    """Both sides of a new terminal of the container's own devpts; its /dev/console is the slave."""
    master, slave, _path = pty.open_pair()
    here = Root(os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        cover_console(here, slave)
    finally:
        os.close(here.fd)
    return master, slave
