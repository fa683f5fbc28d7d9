# SPDX-License-Identifier: GPL-3.0-or-later
"""Which container has which port of the host. A port is asked of our own records and of the kernel before anything is made."""

from __future__ import annotations

import errno
import os

from ..errors import Conflict, from_os
from ..kernel import sockets
from ..kernel.sockets import Socket
from .ports import Port, overlap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_TRIES, _SCRATCH = 64, ".new"


def claim(directory: str, ident: str, ports: tuple[Port, ...], owner: Callable[[str], str]) -> tuple[Port, ...]:
    """The same ports, those with number 0 replaced by free ones, all of them now `ident`'s. Conflict names the holder.

    `owner` tells the name of the container that an id in an old claim stands for, or "" when it no longer has a network.
    The caller holds the lock of the claims.
    """
    os.makedirs(directory, mode=0o700, exist_ok=True)
    taken: dict[int, Port] = {}
    try:
        # What was asked for by number goes first: the kernel must not choose it for another port of the same container.
        for place in sorted(range(len(ports)), key=lambda index: not ports[index].host_port):
            settle = _fix if ports[place].host_port else _choose
            taken[place] = settle(directory, ident, ports[place], owner)
    except BaseException:
        drop(directory, ident, tuple(taken.values()))
        raise
    return tuple(taken[place] for place in range(len(ports)))


def drop(directory: str, ident: str, ports: tuple[Port, ...]) -> tuple[Port, ...]:
    """Give ports back; return those that were `ident`'s. Idempotent. The caller holds the lock of the claims."""
    dropped = []
    for port in ports:
        lines = _read(directory, port)
        rest = [line for line in lines if line != (port.host_ip, ident)]
        if len(rest) < len(lines):
            dropped.append(port)
            _write(directory, port, rest)
    return tuple(dropped)


def drop_all_of(directory: str, ident: str) -> None:
    """Give back every port of `ident`, whether or not it was written down which: it reads every claim. The caller holds the lock."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return
    for name in names:
        if name.endswith(_SCRATCH):
            os.unlink(f"{directory}/{name}")
            continue
        protocol, _unused, number = name.partition("-")
        port = Port(host_ip="", host_port=int(number), container_port=0, protocol=protocol)
        lines = _read(directory, port)
        rest = [line for line in lines if line[1] != ident]
        if len(rest) < len(lines):
            _write(directory, port, rest)


def _choose(directory: str, ident: str, port: Port, owner: Callable[[str], str]) -> Port:
    for _unused in range(_TRIES):
        wanted = port.replace(host_port=_free_number(port))
        if not any(overlap(host_ip, wanted.host_ip) for host_ip, _unused in _read(directory, wanted)):
            return _fix(directory, ident, wanted, owner)
    raise Conflict(
        f"no free port of the host for {port.container_port}/{port.protocol}: publish it on a port of your choice"
    )


def _fix(directory: str, ident: str, port: Port, owner: Callable[[str], str]) -> Port:
    others = _holders(directory, port, ident, owner)
    where = f"port {port.host_port}/{port.protocol} on {port.host_ip}"
    if others:
        raise Conflict(f"{where} is in use by container {others[0]}: stop it or publish another port")
    problem = _probe(port)
    if problem == errno.EADDRINUSE:
        raise Conflict(f"{where} is in use by another program of this host: stop it or publish another port")
    if problem == errno.EADDRNOTAVAIL:
        raise Conflict(f"{where} can't be published: this host does not have that address")
    lines = [line for line in _read(directory, port) if owner(line[1]) and line != (port.host_ip, ident)]
    _write(directory, port, [*lines, (port.host_ip, ident)])
    return port


def _holders(directory: str, port: Port, ident: str, owner: Callable[[str], str]) -> list[str]:
    """Names of other containers that have this port on an address that meets this one."""
    lines = _read(directory, port)
    return [
        owner(other) for host_ip, other in lines if other != ident and overlap(host_ip, port.host_ip) and owner(other)
    ]


def _probe(port: Port) -> int:
    """0 when a server could listen there, else the kernel's errno.

    TCP as servers bind (SO_REUSEADDR): connections of a server that has just ended do not count, one that listens does.
    """
    kind = sockets.SOCK_STREAM if port.protocol == "tcp" else sockets.SOCK_DGRAM
    with Socket(sockets.AF_INET, kind | sockets.SOCK_CLOEXEC) as door:
        try:
            if port.protocol == "tcp":
                door.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
            door.bind((port.host_ip, port.host_port))
            if port.protocol == "tcp":
                door.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                return error.errno
            raise from_os(error, f"publish port {port.host_port}") from error
    return 0


def _free_number(port: Port) -> int:
    kind = sockets.SOCK_STREAM if port.protocol == "tcp" else sockets.SOCK_DGRAM
    with Socket(sockets.AF_INET, kind | sockets.SOCK_CLOEXEC) as door:
        try:
            door.bind((port.host_ip, 0))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise Conflict(
                    f"a port on {port.host_ip} can't be published: this host does not have that address"
                ) from None
            raise
        return int(door.getsockname()[1])


def _path(directory: str, port: Port) -> str:
    return f"{directory}/{port.protocol}-{port.host_port}"


def _read(directory: str, port: Port) -> list[tuple[str, str]]:
    try:
        with open(_path(directory, port), encoding="ascii") as file:
            rows = [line.split() for line in file]
    except FileNotFoundError:
        return []
    return [(row[0], row[1]) for row in rows if len(row) == 2]


def _write(directory: str, port: Port, lines: list[tuple[str, str]]) -> None:
    path = _path(directory, port)
    if not lines:
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        return
    scratch = f"{path}{_SCRATCH}"
    with open(
        os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w", encoding="ascii"
    ) as file:
        file.write("".join(f"{host_ip} {ident}\n" for host_ip, ident in lines))
    os.rename(scratch, path)
