# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets without the standard library's wrapper: it costs 8 ms at every start for enumerations and file objects."""

from __future__ import annotations

import _socket
from _socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    CMSG_SPACE,
    IPPROTO_IP,
    IPPROTO_TCP,
    MSG_CMSG_CLOEXEC,
    MSG_NOSIGNAL,
    MSG_PEEK,
    SCM_RIGHTS,
    SHUT_WR,
    SO_PEERCRED,
    SO_REUSEADDR,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    SOCK_RAW,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NODELAY,
    getaddrinfo,
    if_nametoindex,
    inet_aton,
    inet_ntoa,
    inet_pton,
    timeout,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = (
    "AF_INET",
    "AF_INET6",
    "AF_NETLINK",
    "AF_UNIX",
    "CMSG_SPACE",
    "IPPROTO_IP",
    "IPPROTO_TCP",
    "MSG_CMSG_CLOEXEC",
    "MSG_NOSIGNAL",
    "MSG_PEEK",
    "SCM_RIGHTS",
    "SHUT_WR",
    "SOCK_CLOEXEC",
    "SOCK_DGRAM",
    "SOCK_NONBLOCK",
    "SOCK_RAW",
    "SOCK_SEQPACKET",
    "SOCK_STREAM",
    "SOL_SOCKET",
    "SO_PEERCRED",
    "SO_REUSEADDR",
    "TCP_NODELAY",
    "Socket",
    "addresses",
    "if_nametoindex",
    "inet_aton",
    "inet_ntoa",
    "inet_pton",
    "pair",
    "timeout",
)


class Socket(_socket.socket):
    """socket(2). Closed at the end of a `with`; never inherited."""

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    def accept(self) -> Socket:
        """accept4(2): the new connection."""
        return Socket(fileno=self._accept()[0])  # type: ignore[attr-defined]


def pair(kind: int) -> tuple[Socket, Socket]:
    """socketpair(2) of local sockets."""
    one, other = _socket.socketpair(AF_UNIX, kind | SOCK_CLOEXEC)
    return Socket(fileno=one.detach()), Socket(fileno=other.detach())


def addresses(host: str, port: int) -> list[tuple[int, Any]]:
    """getaddrinfo(3) for TCP: families, and what connect(2) wants for each. OSError, UnicodeError for names not in ASCII."""
    # Given text, Python would load what it has for international names, for nothing.
    found = getaddrinfo(host.encode("ascii"), port, 0, SOCK_STREAM)
    return [(family, address) for family, _kind, _protocol, _name, address in found]
