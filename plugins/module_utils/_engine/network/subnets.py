# SPDX-License-Identifier: GPL-3.0-or-later
"""The private range of addresses that a network owns: chosen once, beside everything that the host already reaches."""

from __future__ import annotations

import os

from ..errors import Conflict, NotFound
from ..locks import Lock
from ..names import check_name
from ..records import read_record, write_record
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..paths import Paths

DEFAULT = "berth0"
_CANDIDATES = (
    *((10 << 24 | second << 16, 16) for second in range(89, 109)),
    *((172 << 24 | second << 16, 16) for second in range(20, 32)),
    *((192 << 24 | 168 << 16 | third << 8, 24) for third in range(200, 250)),
)
FIRST_HOST = 2


class Subnet(Value):
    """An IPv4 range as a number and a prefix length. The network's gateway is its first address."""

    base: int
    prefix: int

    @property
    def gateway(self) -> str:
        return dotted(self.base + 1)

    @property
    def hosts(self) -> int:
        """How many addresses containers can have; the first of them is base + FIRST_HOST."""
        return (1 << (32 - self.prefix)) - FIRST_HOST - 1

    def __str__(self) -> str:
        return f"{dotted(self.base)}/{self.prefix}"


def subnet_of(paths: Paths, network: str = DEFAULT) -> Subnet:
    """The network's range; the first caller ever chooses it and writes it down. Conflict when no private range is free."""
    found = _read(paths, network)
    if found is None:
        os.makedirs(paths.networks, mode=0o700, exist_ok=True)
        os.makedirs(paths.locks, mode=0o700, exist_ok=True)
        with Lock(paths.locks, f"network-{network}"):
            found = _read(paths, network)
            if found is None:
                found = choose(_ranges_of_the_host(), turn=int(paths.tag or "0", 16))
                write_record(f"{paths.networks}/{network}.json", {"name": network, "subnet": str(found)})
    return found


def choose(used: Iterable[tuple[int, int]], turn: int = 0) -> Subnet:
    """The first candidate that meets none of the `used` ranges (number, prefix length), beginning at a place that `turn`
    decides, so that two roots on one host rarely wish for the same."""
    ranges = [(base, prefix) for base, prefix in used if prefix]
    start = turn % 20
    for base, prefix in _CANDIDATES[start:20] + _CANDIDATES[:start] + _CANDIDATES[20:]:
        if not any(_meet(base, prefix, other, width) for other, width in ranges):
            return Subnet(base=base, prefix=prefix)
    raise Conflict(
        "every private range of addresses that a container network could have is routed by this host already"
    )


def dotted(number: int) -> str:
    """3232235777 -> 192.168.1.1."""
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def number(address: str) -> int:
    """192.168.1.1 -> 3232235777."""
    value = 0
    for part in address.split("."):
        value = value << 8 | int(part)
    return value


def parse_routes(text: str) -> list[tuple[int, int]]:
    """The ranges in the text of /proc/net/route; the default route is left out."""
    ranges = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        mask = int.from_bytes(bytes.fromhex(fields[7]), "little")
        if mask:
            ranges.append((int.from_bytes(bytes.fromhex(fields[1]), "little"), bin(mask).count("1")))
    return ranges


def parse_addresses(text: str) -> list[tuple[int, int]]:
    """Every address of the host's own in the text of /proc/net/fib_trie, as ranges of one."""
    lines = text.splitlines()
    return [
        (number(line.rpartition(" ")[2]), 32)
        for line, below in zip(lines, lines[1:])
        if "|-- " in line and "/32 host LOCAL" in below
    ]


def _ranges_of_the_host() -> list[tuple[int, int]]:
    ranges = []
    for path, parse in (("/proc/net/route", parse_routes), ("/proc/net/fib_trie", parse_addresses)):
        with open(path, encoding="ascii") as file:
            ranges += parse(file.read())
    return ranges


def _read(paths: Paths, network: str) -> Subnet | None:
    check_name(network, "network")
    try:
        text = read_record(f"{paths.networks}/{network}.json")["subnet"]
    except NotFound:
        return None
    base, _unused, prefix = text.partition("/")
    return Subnet(base=number(base), prefix=int(prefix))


def _meet(base: int, prefix: int, other: int, width: int) -> bool:
    shift = 32 - min(prefix, width)
    return base >> shift == other >> shift
