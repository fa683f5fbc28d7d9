# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the groups below a container's own one more process goes into, in the words of --cgroup."""

from __future__ import annotations

import os

from ..cgroup import hierarchy, places
from ..errors import InvalidSpec, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def choose(
    wanted: Sequence[str], own: tuple[str, ...], unified: str, place: str, pid: int
) -> tuple[tuple[str, ...], str]:
    """The directories to join instead of `own`, and the one instead of `unified` to be born in ("" for none).

    With nothing `wanted` they are `own`, as far as processes can be there, and else where `pid` is. Each of `wanted` is a path
    below the container's groups, whose path is `place` in each hierarchy, or CONTROLLER,...:PATH for some hierarchies of
    version 1. InvalidSpec for one that leads elsewhere, NotFound for one that is not there.
    """
    if not wanted:
        found = places.inhabited(hierarchy.mounted(), own, pid)
        return found, dict(zip(own, found)).get(unified, unified)
    chosen = dict.fromkeys(own, "")
    for word in wanted:
        names, colon, path = word.rpartition(":")
        path = os.path.normpath(path.strip("/") or ".")
        if path.split("/")[0] == "..":
            raise InvalidSpec(f"--cgroup: {path} is not a sub cgroup path: it leads out of the container's group")
        for directory in _of(names.split(","), own, place) if colon else own:
            chosen[directory] = path
    moved = {directory: os.path.normpath(f"{directory}/{path}") for directory, path in chosen.items()}
    for directory in moved.values():
        if not os.path.isdir(directory):
            raise NotFound(f"--cgroup: {directory}: no such file or directory: make the group first")
    return tuple(moved.values()), moved.get(unified, unified)


def _of(names: Sequence[str], own: tuple[str, ...], place: str) -> list[str]:
    points = hierarchy.mounted().v1
    found = []
    for name in names:
        directory = f"{points.get(name) or points.get(f'name={name}')}/{place}"
        if directory not in own:
            raise InvalidSpec(f"--cgroup: unknown controller {name!a}: there is none of version 1 by that name here")
        found.append(directory)
    return found
