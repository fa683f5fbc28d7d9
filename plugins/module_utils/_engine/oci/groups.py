# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's cgroup by config.json's words: where it is, what of it did not exist before, and whether it stands still."""

from __future__ import annotations

import os

from ..cgroup import devices, group, hierarchy, places, resources, scopes
from ..errors import Conflict, InvalidSpec, Unsupported
from ..undo import Scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..undo import Undo

# Version 1 writes a number near 2^63 for no limit.
_UNLIMITED = 1 << 62
_UNIT = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\")  # systemd.unit(5)
# The container's own group: what is on the scope's is the manager's to write, and it writes it anew when it is reloaded.
_OWN = "container"


def place_of(path: str, ident: str, scope: str = "") -> str:
    """The group's path below each hierarchy's mount point: in `scope` if there is one, else from linux.cgroupsPath.

    A relative path begins where an absolute one does. Without one it is /ID.
    """
    if scope:
        return f"{scope}/{_OWN}"
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or "\n" in path:
        raise InvalidSpec(f"linux.cgroupsPath: {path!a} leads out of the hierarchy")
    if len(parts) == 1 and parts[0].count(":") == 2:
        raise InvalidSpec(f"linux.cgroupsPath: {path} is systemd's form, which needs --systemd-cgroup")
    return "/".join(parts) or ident


def scope_of(path: str, ident: str) -> str:
    """The scope, below the mount point, that linux.cgroupsPath names in systemd's form, SLICE:PREFIX:NAME.

    Without a path it is system.slice/berth-oci-ID.scope. Unsupported where systemd has not the hierarchy to itself.
    """
    if not scopes.managed():
        raise Unsupported(
            "--systemd-cgroup: there is no systemd here that manages cgroups of version 2: leave it out, or use cgroupfs"
        )
    words = (path or f":berth-oci:{ident}").split(":")
    if len(words) != 3 or not all(_UNIT.issuperset(word) for word in words):
        raise InvalidSpec(f"linux.cgroupsPath: {path!a} is not SLICE:PREFIX:NAME, which --systemd-cgroup wants")
    above, prefix, name = words
    if name.endswith(".slice"):
        raise Unsupported(f"linux.cgroupsPath: {path}: a container is no slice: choose a name without .slice")
    above = scopes.ROOT_SLICE if above == "-" else above or "system.slice"
    if not above.endswith(".slice") or (above != scopes.ROOT_SLICE and "" in above[: -len(".slice")].split("-")):
        raise InvalidSpec(f"linux.cgroupsPath: {above!a} is no slice: write one such as machine.slice")
    return scopes.place_of(above, f"{prefix}-{name}.scope")


def held(scope: str, ident: str) -> Scope:
    """A context: for its time `scope` is there, whether it has processes or not. Nothing without a scope."""

    def make(undo: Undo) -> None:
        if not scope:
            return
        from ..cgroup import systemd

        undo.later(lambda: _tidy(scopes.supervisors(scope)))
        undo.enter(systemd.open_foreign(scope, f"container {ident}"))

    return Scope(make)


def _tidy(directory: str) -> None:
    try:
        os.rmdir(directory)
    except OSError:
        return  # it went with the scope


def made_in(scope: str) -> tuple[str, ...]:
    """The directories in a scope that are ours to remove: the scope and the slices above it are the manager's."""
    return (f"{scopes.directory(scope)}/{_OWN}",)


def missing_of(place: str) -> tuple[str, ...]:
    """The directories that making the group will make, from the deepest up: only these are ours to remove."""
    found = []
    for point in hierarchy.mounted().mount_points():
        parts = place.split("/")
        while parts and not os.path.isdir(f"{point}/{'/'.join(parts)}"):
            found.append(f"{point}/{'/'.join(parts)}")
            parts.pop()
    return tuple(found)


def create(place: str, linux: dict[str, Any]) -> tuple[tuple[str, ...], str]:
    """Make the group and set the limits of `linux`, of config.json: its directories, and the one that a process can be born in.

    Whatever the configuration forbids, the devices that every container has stay allowed. Conflict when others' processes are
    in it, as they would end with the container, or when it stands still.
    """
    here = hierarchy.mounted()
    there = tuple(filter(os.path.isdir, places.directories(here, *_halves(place))))
    if there and (others := processes(place)):
        raise Conflict(
            f"container's cgroup is not empty: process {others[0]} is in {place}: choose another linux.cgroupsPath"
        )
    if there and is_frozen(place):
        raise Conflict(
            f"container's cgroup unexpectedly frozen: {place}: let it go on, or choose another linux.cgroupsPath"
        )
    asked = linux.get("resources") or {}
    wanted = {**asked, "devices": list(devices.for_bundle(asked.get("devices") or (), linux.get("devices") or ()))}
    made = group.create(here, *_halves(place), wanted)
    born = places.birthplace(here, made)
    # Linux 6.18 kills whoever is born into a group to whose cgroup.kill was ever written: it compares with the parent's group.
    return made, "" if born in there else born


def check(asked: dict[str, Any]) -> None:
    """Unsupported for a limit that this host can't hold, InvalidSpec for one that nobody could."""
    resources.check(asked, hierarchy.mounted())


def update(place: str, asked: dict[str, Any]) -> None:
    """Change limits while the container runs."""
    group.update(hierarchy.mounted(), *_halves(place), asked)


def _halves(place: str) -> tuple[str, str]:
    parent, _unused, name = place.rpartition("/")
    return parent, name


def remove(made: tuple[str, ...], scope: str = "") -> None:
    """Remove what was made, and groups that the container made in it. A directory above that others use by now stays."""
    deepest = [path for path in made if not any(other.startswith(f"{path}/") for other in made)]
    group.remove(tuple(deepest))
    for path in made:
        try:
            os.rmdir(path)
        except OSError:
            continue  # gone with the others, or somebody else's
    if scope:
        from ..cgroup import systemd

        systemd.close_scope(scope)


def memory_limit(place: str) -> int | None:
    """The group's own limit in bytes, None without one."""
    here = hierarchy.mounted()
    point, name = (here.v1["memory"], "memory.limit_in_bytes") if "memory" in here.v1 else (here.v2, "memory.max")
    try:
        with open(f"{point}/{place}/{name}", encoding="ascii") as file:
            text = file.read().strip()
    except FileNotFoundError:
        return None
    return int(text) if text != "max" and int(text) < _UNLIMITED else None


def numbers(place: str) -> dict[str, Any]:
    """What the group has used, as cgroup.stats reads it."""
    from ..cgroup import stats

    return stats.read(hierarchy.mounted(), *_halves(place))


def processes(place: str) -> tuple[int, ...]:
    """The pids in the group and in groups below it."""
    return group.pids(hierarchy.mounted(), *_halves(place))


def kill(place: str) -> None:
    """End every process of the group, also of a frozen one, and wait until all are gone."""
    group.kill(hierarchy.mounted(), *_halves(place))


def freeze(place: str, *, frozen: bool) -> None:
    """Stop every process of the group, or let them go on."""
    group.freeze(hierarchy.mounted(), *_halves(place), frozen=frozen)


def is_frozen(place: str) -> bool:
    """Whether the group stands still."""
    return bool(place) and group.is_frozen(hierarchy.mounted(), *_halves(place))


def let_go(pid: int) -> None:
    """Let a process go on that somebody put into another group of version 1 and froze there: it could not die."""
    here = hierarchy.mounted()
    try:
        with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
            paths = dict(line.rstrip("\n").split(":", 2)[1:] for line in file)
    except OSError:
        return
    place = paths.get("freezer", "").strip("/")
    if "freezer" in here.v1 and place and is_frozen(place):
        freeze(place, frozen=False)
