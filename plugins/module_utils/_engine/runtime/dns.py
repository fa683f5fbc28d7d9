# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS packets (RFC 1035) as bytes in and bytes out: what to say to a question, pure, and never raising for any input."""

from __future__ import annotations

import struct

from ..kernel import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST = 65535
# Short: a container that is made anew may have another address.
_TTL = 5
_A, _PTR, _ANY, _IN = 1, 12, 255, 1
_SERVFAIL = 2
_HEADER = struct.Struct("!HHHHHH")
_REVERSE = ".in-addr.arpa"


def parse_servers(text: str) -> tuple[str, ...]:
    """The name servers of a resolv.conf(5): three at most, as the C library takes them; without any, this host itself."""
    rows = [line.split() for line in text.splitlines()]
    return tuple(row[1] for row in rows if len(row) > 1 and row[0] == "nameserver")[:3] or ("127.0.0.1",)


def answer(packet: bytes, look_up: Callable[[str], str]) -> bytes | None:
    """The reply to a question about our names; None for a question of others' names; empty for a packet that is no question.

    `look_up` gives the address for a name in lower case and the name for an address behind @, or "".
    """
    if not _HEADER.size < len(packet) <= LARGEST:
        return b""
    _unused, flags, questions, answers, authorities, _unused = _HEADER.unpack_from(packet)
    if flags & 0x8000 or questions != 1 or answers or authorities:
        return b""
    name, end = _read_name(packet)
    if not end or end + 4 > len(packet):
        return b""
    if flags & 0x7800:
        return None
    kind, group = struct.unpack_from("!HH", packet, end)
    if group != _IN:
        return None
    if name.endswith(_REVERSE):
        return _answer_reverse(packet, end + 4, name, kind, look_up)
    address = look_up(name) if name and "/" not in name and name[0] not in "@." else ""
    if not address:
        return None
    data = sockets.inet_aton(address) if kind in (_A, _ANY) else b""
    return _compose(packet, end + 4, _A, data)


def _answer_reverse(packet: bytes, end: int, name: str, kind: int, look_up: Callable[[str], str]) -> bytes | None:
    address = ".".join(reversed(name[: -len(_REVERSE)].split(".")))
    found = look_up(f"@{address}") if "/" not in address else ""
    if not found:
        return None
    labels = [label.encode() for label in found.split(".")]
    if any(not 0 < len(label) < 64 for label in labels):
        return None
    data = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _compose(packet, end, _PTR, data if kind in (_PTR, _ANY) else b"")


def _compose(packet: bytes, end: int, kind: int, data: bytes) -> bytes:
    """A reply of one record, or of none (the name is known, but not by an address of this kind)."""
    ident, flags = struct.unpack_from("!HH", packet)
    # Response, authoritative, recursion available; recursion desired as it was asked.
    head = _HEADER.pack(ident, 0x8480 | flags & 0x0100, 1, 1 if data else 0, 0, 0)
    record = struct.pack("!HHHIH", 0xC00C, kind, _IN, _TTL, len(data)) + data if data else b""
    return head + packet[_HEADER.size : end] + record


def failure(packet: bytes) -> bytes:
    """SERVFAIL to a question that nobody could be asked."""
    ident, flags = struct.unpack_from("!HH", packet)
    _unused, end = _read_name(packet)
    asked = packet[_HEADER.size : end + 4] if end and end + 4 <= len(packet) else b""
    return _HEADER.pack(ident, 0x8080 | flags & 0x0100 | _SERVFAIL, 1 if asked else 0, 0, 0, 0) + asked


def _read_name(packet: bytes) -> tuple[str, int]:
    """The question's name in lower case and where it ends; 0 when it is malformed. A question has no compressed name."""
    labels: list[str] = []
    place = _HEADER.size
    while place < len(packet):
        length = packet[place]
        if length == 0:
            return ".".join(labels).lower(), place + 1
        if length > 63 or place + 1 + length > len(packet) or place - _HEADER.size + length > 254:
            return "", 0
        labels.append(packet[place + 1 : place + 1 + length].decode("latin-1"))
        place += 1 + length
    return "", 0
