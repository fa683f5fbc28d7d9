# SPDX-License-Identifier: GPL-3.0-or-later
"""Small questions and orders about the host's links that need no message classes: is it there, what is its address, remove it."""

from __future__ import annotations

import errno
import os
import struct

from ..kernel import sockets
from ..kernel.sockets import Socket
from . import wire
from .wire import NetlinkError, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

_DELLINK, _IFNAME = 17, 3
_SIOCGIFADDR = 0x8915


def pair_name(ident: str) -> str:
    """The name of the host's end of container `ident`'s link: 13 of the 15 characters that the kernel allows."""
    return f"bv{ident[:11]}"


def is_there(name: str) -> bool:
    """Whether the caller's namespace has a link called `name`."""
    try:
        return sockets.if_nametoindex(name) > 0
    except OSError:
        return False


def address_of(name: str) -> str:
    """The first IPv4 address of link `name`, or ""."""
    import fcntl

    with Socket(sockets.AF_INET, sockets.SOCK_DGRAM | sockets.SOCK_CLOEXEC) as door:
        try:
            answer = fcntl.ioctl(door, _SIOCGIFADDR, struct.pack("16s16x", name.encode()))
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.ENODEV):
                return ""
            raise
    return sockets.inet_ntoa(answer[20:24])


def remove(name: str) -> bool:
    """Delete link `name` and with it the other end of its pair; False when it was not there. Idempotent."""
    if not is_there(name):
        return False
    body = bytes(16) + wire.attribute(_IFNAME, name.encode() + b"\0")
    try:
        wire.run([Request(f"remove link {name}", _DELLINK, body)])
    except NetlinkError as error:
        # The kernel removes it by itself when the container's namespace ends; it may be quicker.
        if error.errno != errno.ENODEV:
            raise
        return False
    return True


def inside(namespace: int, work: Callable[[], T]) -> T:
    """What `work` returns, done in the network namespace of descriptor `namespace`. The calling process has one thread."""
    from ..kernel import process

    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        process.setns(namespace, process.NEWNET)
        try:
            return work()
        finally:
            process.setns(home, process.NEWNET)
    finally:
        os.close(home)


def set_sysctl(name: str, value: str, *, missing_ok: bool = False) -> None:
    """Write a setting below /proc/sys/net of the caller's namespace unless it has that value. `name` uses slashes."""
    path = f"/proc/sys/net/{name}"
    try:
        with open(path, encoding="ascii") as file:
            if file.read().strip() == value:
                return
        with open(path, "w", encoding="ascii") as file:
            file.write(value)
    except FileNotFoundError:
        if not missing_ok:
            raise
