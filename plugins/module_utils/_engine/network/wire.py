# SPDX-License-Identifier: GPL-3.0-or-later
"""Netlink's envelope: headers, attributes, acknowledgements. Imports nothing heavy, so that asking and deleting cost nothing."""

from __future__ import annotations

import os
import struct

from ..errors import KernelError
from ..kernel import sockets
from ..kernel.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROUTE, NETFILTER = 0, 12
REQUEST, ACK, EXCL, CREATE = 0x1, 0x4, 0x200, 0x400
_HEADER = struct.Struct("=IHHII")
_ERROR, _DONE = 2, 3
_SOL_NETLINK, _EXT_ACK, _CAP_ACK = 270, 11, 10
_ACK_TLVS, _ACK_CAPPED = 0x200, 0x100
_MESSAGE_TEXT = 1


class NetlinkError(KernelError):
    """The kernel refused a request; says which one, and the kernel's own explanation when it gives one."""

    def __init__(self, what: str, number: int, explanation: str = "") -> None:
        super().__init__("netlink", what, number)
        if explanation:
            self.args = (f"{self.args[0]} ({explanation})",)


class Request:
    """One message: its type, its flags, its body, and the phrase that an error names it by."""

    __slots__ = ("body", "flags", "kind", "what")

    def __init__(self, what: str, kind: int, body: bytes, flags: int = 0) -> None:
        self.what, self.kind, self.body, self.flags = what, kind, body, flags


def open_socket(protocol: int = ROUTE) -> Socket:
    """A netlink socket of the network namespace that the caller is in; stays there. The caller closes it."""
    door = Socket(sockets.AF_NETLINK, sockets.SOCK_RAW | sockets.SOCK_CLOEXEC, protocol)
    door.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
    door.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
    door.settimeout(10)
    door.bind((0, 0))
    return door


def attribute(kind: int, data: bytes) -> bytes:
    """One attribute, padded as the kernel wants it."""
    return struct.pack("=HH", len(data) + 4, kind) + data + bytes(-len(data) % 4)


def exchange(door: Socket, requests: Sequence[Request]) -> list[bytes]:
    """Send the requests in one packet; return the bodies of the answers when all are acknowledged.

    The kernel works them off in order; NetlinkError for the first that it refuses (those behind it may have been done).
    """
    packet = b"".join(
        _HEADER.pack(16 + len(request.body), request.kind, request.flags | REQUEST | ACK, number, 0)
        + request.body
        + bytes(-len(request.body) % 4)
        for number, request in enumerate(requests)
    )
    door.send(packet)
    bodies: list[bytes] = []
    refusal: NetlinkError | None = None
    waiting = len(requests)
    while waiting:
        for kind, flags, number, body in _split(door.recv(1 << 16)):
            if kind != _ERROR:
                bodies.append(body)
                continue
            waiting -= 1
            code = -struct.unpack_from("=i", body)[0]
            if code and refusal is None:
                refusal = NetlinkError(requests[number].what, code, _explanation(body, flags))
    if refusal is not None:
        raise refusal
    return bodies


def run(requests: Sequence[Request], protocol: int = ROUTE) -> list[bytes]:
    """`exchange` over a socket of its own."""
    with open_socket(protocol) as door:
        return exchange(door, requests)


def _split(packet: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    offset = 0
    while offset + 16 <= len(packet):
        length, kind, flags, number, _unused = _HEADER.unpack_from(packet, offset)
        if length < 16:
            return
        if kind != _DONE:
            yield kind, flags, number, packet[offset + 16 : offset + length]
        offset += length + 3 & ~3


def _explanation(body: bytes, flags: int) -> str:
    if not flags & _ACK_TLVS:
        return ""
    length = struct.unpack_from("=I", body, 4)[0]
    offset = 4 + (16 if flags & _ACK_CAPPED else length)
    while offset + 4 <= len(body):
        size, kind = struct.unpack_from("=HH", body, offset)
        if size < 4:
            return ""
        if kind == _MESSAGE_TEXT:
            return os.fsdecode(body[offset + 4 : offset + size].rstrip(b"\0"))
        offset += size + 3 & ~3
    return ""
