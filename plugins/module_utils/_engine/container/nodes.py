# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices of the host that a container is given, as they are when it starts: nodes for config.json, and rules that allow them."""

from __future__ import annotations

import os
import stat

from ..errors import InvalidSpec, NotFound, from_os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_KINDS = ((stat.S_ISCHR, "c"), (stat.S_ISBLK, "b"))
# What a user namespace of ours maps.
_LARGEST_ID = 65_535


def read(devices: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    """config.json's "linux.devices" for "host:container:rwm"; a directory stands for the devices in it.

    NotFound for a device that is not there, InvalidSpec for what is none. The last one of a path wins.
    """
    found = {}
    for source, target, _access, status in _each(devices):
        found[target] = {
            "path": target,
            **_numbers(source, status),
            "fileMode": stat.S_IMODE(status.st_mode),
            # Of the host's owners only those that the container can have, too.
            "uid": status.st_uid if status.st_uid <= _LARGEST_ID else 0,
            "gid": status.st_gid if status.st_gid <= _LARGEST_ID else 0,
        }
    return tuple(found.values())


def rules(devices: tuple[str, ...], more: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    """config.json's "linux.resources.devices" that allow `devices`, and the rules "c 189:* rw" of `more`."""
    listed = [
        {"allow": True, **_numbers(source, status), "access": access}
        for source, _target, access, status in _each(devices)
    ]
    for item in more:
        kind, numbers, access = item.split()
        entry: dict[str, Any] = {"allow": True, "type": kind, "access": access}
        for name, number in zip(("major", "minor"), numbers.split(":")):
            if number != "*":
                entry[name] = int(number)
        listed.append(entry)
    return tuple(listed)


def _each(devices: tuple[str, ...]) -> Iterator[tuple[str, str, str, os.stat_result]]:
    for item in devices:
        source, target, access = item.rsplit(":", 2)
        status = _look(source)
        if not stat.S_ISDIR(status.st_mode):
            yield source, target, access, status
            continue
        below = [(f"{source}/{name}", f"{target}/{name}") for name in sorted(os.listdir(source))]
        inside = [(path, place, _look(path)) for path, place in below if not os.path.islink(path)]
        yield from ((path, place, access, one) for path, place, one in inside if _kind(one))


def _look(source: str) -> os.stat_result:
    try:
        return os.stat(source)
    except FileNotFoundError:
        raise NotFound(f"devices: {source} does not exist on this host: leave it out") from None
    except OSError as error:
        raise from_os(error, f"devices: {source}") from error


def _kind(status: os.stat_result) -> str:
    return next((kind for is_one, kind in _KINDS if is_one(status.st_mode)), "")


def _numbers(source: str, status: os.stat_result) -> dict[str, Any]:
    kind = _kind(status)
    if not kind:
        raise InvalidSpec(f"devices: {source} is no device: name a node such as /dev/fuse")
    return {"type": kind, "major": os.major(status.st_rdev), "minor": os.minor(status.st_rdev)}
