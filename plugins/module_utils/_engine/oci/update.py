# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a container's limits while it runs."""

from __future__ import annotations

from ..errors import Conflict
from . import config, groups, shape
from .looking import word_of
from .store import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def update(root: str, ident: str, resources: dict[str, Any]) -> None:
    """Set what `resources` (linux.resources) names, and leave the rest. Conflict unless the container has processes."""
    with Home(root, ident) as home:
        known = home.read()
        word = word_of(home, known)
        if word not in ("created", "running", "paused"):
            raise Conflict(f"container not running: {ident} is {word}")
        resources = _with_limit(resources, known.place)
        groups.check(resources)
        groups.update(known.place, resources)


def _with_limit(resources: dict[str, Any], place: str) -> dict[str, Any]:
    """A limit of memory and swap together means something only beside that of memory: the one that is in force."""
    memory = resources.get("memory") or {}
    if (memory.get("swap") or -1) < 0 or memory.get("limit") is not None:
        return resources
    return {**resources, "memory": {**memory, "limit": groups.memory_limit(place)}}


def read(data: bytes) -> dict[str, Any]:
    """The resources object of a caller's. InvalidSpec when it is none."""
    found: dict[str, Any] = config.decode(data, "--resources")
    shape.check(found, shape.CONFIG["linux"]["resources"], "resources")
    # Devices are not changed by callers that know only of the others, and leave an empty list.
    return {name: value for name, value in found.items() if value is not None and (name != "devices" or value)}
