# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's cgroup by config.json's words: where it is, what of it did not exist before, and whether it stands still."""

from __future__ import annotations

import os

from ..cgroup import group, hierarchy
from ..cgroup.limits import Limits
from ..errors import InvalidSpec, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def place_of(path: str, ident: str, *, systemd: bool) -> str:
    """The group's path below each hierarchy's mount point, from linux.cgroupsPath.

    A relative path begins where an absolute one does. Without one it is /ID.
    """
    if systemd:
        raise Unsupported("--systemd-cgroup: this runtime makes its groups itself: leave it out, or use cgroupfs")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or "\n" in path:
        raise InvalidSpec(f"linux.cgroupsPath: {path!a} leads out of the hierarchy")
    if len(parts) == 1 and parts[0].count(":") == 2:
        raise InvalidSpec(f"linux.cgroupsPath: {path} is systemd's form, which needs --systemd-cgroup")
    return "/".join(parts) or ident


def missing_of(place: str) -> tuple[str, ...]:
    """The directories that making the group will make, from the deepest up: only these are ours to remove."""
    found = []
    for point in hierarchy.mounted().mount_points():
        parts = place.split("/")
        while parts and not os.path.isdir(f"{point}/{'/'.join(parts)}"):
            found.append(f"{point}/{'/'.join(parts)}")
            parts.pop()
    return tuple(found)


def create(place: str, resources: dict[str, Any]) -> tuple[tuple[str, ...], str]:
    """Make the group and set its limits: its directories, and the one that a process can be born in."""
    here = hierarchy.mounted()
    parent, _unused, name = place.rpartition("/")
    made = group.create(here, parent, name, _limits(resources))
    return made, group.birthplace(here, made)


def remove(made: tuple[str, ...]) -> None:
    """Remove what was made, and groups that the container made in it. A directory above that others use by now stays."""
    deepest = [path for path in made if not any(other.startswith(f"{path}/") for other in made)]
    group.remove(tuple(deepest))
    for path in made:
        try:
            os.rmdir(path)
        except OSError:
            continue  # gone with the others, or somebody else's


def processes(cgroups: tuple[str, ...], unified: str) -> list[int]:
    """The pids in the group and in groups below it."""
    found: set[int] = set()
    for top in (unified,) if unified else cgroups[:1]:
        for directory, _below, _files in os.walk(top):
            try:
                with open(f"{directory}/cgroup.procs", encoding="ascii") as file:
                    found.update(int(line) for line in file)
            except OSError:
                continue
    return sorted(found)


def freeze(place: str, *, frozen: bool) -> None:
    """Stop every process of the group, or let them go on."""
    parent, _unused, name = place.rpartition("/")
    group.freeze(hierarchy.mounted(), parent, name, frozen=frozen)


def is_frozen(place: str) -> bool:
    """Whether the group stands still."""
    parent, _unused, name = place.rpartition("/")
    return bool(place) and group.is_frozen(hierarchy.mounted(), parent, name)


def _limits(resources: dict[str, Any]) -> Limits:
    quota, period = ((resources.get("cpu") or {}).get(name) or 0 for name in ("quota", "period"))
    return Limits(
        memory=(resources.get("memory") or {}).get("limit") or None,
        cpus=quota / (period or 100_000) if quota > 0 else None,
        pids=(resources.get("pids") or {}).get("limit") or None,
    )
