# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports as Docker writes them: `[address:][hostport:]containerport[/tcp|/udp]`, single or as ranges."""

from __future__ import annotations

from ..errors import InvalidSpec
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

ANY = "0.0.0.0"
PROTOCOLS = ("tcp", "udp")
HIGHEST = 65535
_DIGITS = frozenset("0123456789")


class Port(Value):
    """One port of a container that the host answers for. `host_port` 0 means: any that is free when it starts."""

    host_ip: str = ANY
    host_port: int
    container_port: int
    protocol: str = "tcp"


def parse_ports(entries: Iterable[object], default_host_ip: str = ANY) -> tuple[Port, ...]:
    """The ports that `entries` ask for, in their order, without repetition. InvalidSpec names the entry."""
    ports: list[Port] = []
    taken: dict[tuple[str, int], list[Port]] = {}
    for entry in entries:
        for port in _parse(str(entry).strip(), default_host_ip):
            same = taken.setdefault((port.protocol, port.host_port or -port.container_port), [])
            if port in same:
                continue
            other = _clash(same, port)
            if other is not None:
                raise InvalidSpec(f"published port {entry}: {show_port(other)} takes the same port of the host")
            same.append(port)
            ports.append(port)
    return tuple(ports)


def show_port(port: Port) -> str:
    """The one spelling that is stored and compared: `0.0.0.0:8080:80/tcp`; parsing it gives the port back."""
    return f"{port.host_ip}:{port.host_port or ''}:{port.container_port}/{port.protocol}"


def is_address(text: str) -> bool:
    """Whether `text` is an IPv4 address in its only usual spelling (no leading zeros: some read those as octal)."""
    parts = text.split(".")
    return len(parts) == 4 and all(
        _DIGITS.issuperset(part) and part and int(part) < 256 and str(int(part)) == part for part in parts
    )


def _parse(entry: str, default_host_ip: str) -> list[Port]:
    rest, slash, protocol = entry.partition("/")
    if slash and protocol.lower() not in PROTOCOLS:
        raise InvalidSpec(f"published port {entry!a}: protocol {protocol!a} is not known: use tcp or udp")
    if "[" in rest or rest.count(":") > 2:
        raise InvalidSpec(
            f"published port {entry!a}: IPv6 addresses of the host are not supported: use an IPv4 address"
        )
    fields = rest.split(":")
    host_ip = _address(entry, fields[0] if len(fields) == 3 else default_host_ip)
    inner = _span(entry, fields[-1])
    outer = _span(entry, fields[-2]) if len(fields) > 1 and fields[-2] not in ("", "0") else range(0)
    if outer and len(outer) != len(inner):
        raise InvalidSpec(f"published port {entry!a}: {len(outer)} ports of the host for {len(inner)} of the container")
    return [
        Port(
            host_ip=host_ip,
            host_port=outer[index] if outer else 0,
            container_port=number,
            protocol=protocol.lower() or "tcp",
        )
        for index, number in enumerate(inner)
    ]


def _address(entry: str, text: str) -> str:
    if not is_address(text):
        raise InvalidSpec(f"published port {entry!a}: {text!a} is no IPv4 address of the host")
    return text


def _span(entry: str, text: str) -> range:
    first, dash, last = text.partition("-")
    low, high = _number(entry, first), _number(entry, last if dash else first)
    if high < low:
        raise InvalidSpec(f"published port {entry!a}: the range {text} runs backwards")
    return range(low, high + 1)


def _number(entry: str, text: str) -> int:
    if not text or len(text) > 5 or not _DIGITS.issuperset(text) or not 1 <= int(text) <= HIGHEST:
        raise InvalidSpec(f"published port {entry!a}: {text!a} is no port: use a number from 1 to {HIGHEST}")
    return int(text)


def overlap(one: str, other: str) -> bool:
    """Whether the same port can't be given on both addresses."""
    return one == other or ANY in (one, other)


def _clash(same: list[Port], port: Port) -> Port | None:
    """A port met before that the host can't give twice; ports that the kernel chooses never clash."""
    if port.host_port:
        for other in same:
            if overlap(other.host_ip, port.host_ip):
                return other
    return None
