# SPDX-License-Identifier: GPL-3.0-or-later
"""Which container has which address. A lease is one symbolic link, so it is there whole or not at all, and taking one looks
at a few addresses however many there are."""

from __future__ import annotations

import os

from ..errors import Conflict
from ..locks import Lock
from .subnets import FIRST_HOST, dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..paths import Paths
    from .subnets import Subnet

# A prime that divides no subnet's size: steps of it visit every address once.
STRIDE = 40009


def take(paths: Paths, network: str, subnet: Subnet, ident: str, name: str) -> str:
    """An address for container `ident` that nobody else has until `give_back`. The same name gets the same one when it is free.

    The container's directory must be there: a lease whose container directory is gone is free for the next taker.
    """
    directory = _directory(paths, network)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    target = f"../../containers/{ident}"
    for address in _candidates(subnet, name):
        link = f"{directory}/{address}"
        if _claim(link, target) or holder(paths, network, address) == ident:
            return address
        if _is_stale(link) and _drop_stale(paths, network, link) and _claim(link, target):
            return address
    raise Conflict(f"network {network} has no free address in {subnet}: remove containers that are not needed")


def holder(paths: Paths, network: str, address: str) -> str:
    """The id of the container that holds `address`, or ""."""
    try:
        return os.path.basename(os.readlink(f"{_directory(paths, network)}/{address}"))
    except FileNotFoundError:
        return ""


def give_back(paths: Paths, network: str, address: str, ident: str) -> None:
    """End the lease if it is `ident`'s. Idempotent."""
    if holder(paths, network, address) == ident:
        _unlink(f"{_directory(paths, network)}/{address}")


def drop_all_stale(paths: Paths, network: str) -> list[str]:
    """End every lease whose container is gone; return the addresses. For repairs: it looks at every lease."""
    directory = _directory(paths, network)
    try:
        links = sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
    return [
        name
        for name in links
        if _is_stale(f"{directory}/{name}") and _drop_stale(paths, network, f"{directory}/{name}")
    ]


def drop_all_of(paths: Paths, network: str, ident: str) -> None:
    """End every lease of `ident`, for a container whose address nobody wrote down: it looks at every lease. Idempotent."""
    try:
        addresses = os.listdir(_directory(paths, network))
    except FileNotFoundError:
        return
    for address in addresses:
        give_back(paths, network, address, ident)


def mac_of(address: str) -> str:
    """A locally administered MAC address that follows from the IPv4 address: 10.89.0.5 -> 02:42:0a:59:00:05."""
    return "02:42:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def _candidates(subnet: Subnet, name: str) -> Iterator[str]:
    place = _hash(name) % subnet.hosts
    for _unused in range(subnet.hosts):
        yield dotted(subnet.base + FIRST_HOST + place)
        place = (place + STRIDE) % subnet.hosts


def _hash(text: str) -> int:
    """FNV-1a, then mixed: names that differ in their last digit must not lie side by side."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    value ^= value >> 15
    return (value * 0x2C1B3C6D & 0xFFFFFFFF) ^ value >> 12


def _directory(paths: Paths, network: str) -> str:
    return f"{paths.leases}/{network}"


def _claim(link: str, target: str) -> bool:
    try:
        os.symlink(target, link)
    except FileExistsError:
        return False
    return True


def _is_stale(link: str) -> bool:
    return os.path.islink(link) and not os.path.exists(link)


def _drop_stale(paths: Paths, network: str, link: str) -> bool:
    """Remove a stale lease; under a lock, for between looking and removing another may have taken it anew."""
    with Lock(paths.locks, f"leases-{network}"):
        if not _is_stale(link):
            return False
        _unlink(link)
        return True


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
