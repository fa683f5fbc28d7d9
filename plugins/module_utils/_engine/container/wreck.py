# SPDX-License-Identifier: GPL-3.0-or-later
"""A container whose record is damaged: what is known of it all the same, so that it can be taken away."""

from __future__ import annotations

import os

from ..cgroup import scopes
from ..paths import Paths
from ..runtime.state import observe
from ..security import idranges
from .record import Record
from .spec import Spec


def stand_in(paths: Paths, ident: str) -> Record:
    """A record to stop and remove the container by, and to do nothing else with; it names no image.

    It has everything that could be its own: a network, and processes that do not end with its first one.
    """
    spec = Spec(
        name=name_of(paths, ident),
        image="",
        pid_mode="host",
        cgroup_parent=_group_above(paths, ident),
        stop_signal="SIGKILL",
        stop_timeout=0.0,
    )
    start = idranges.start_of(paths, ident)
    return Record(id=ident, spec=spec, image="", image_digest="", created=0.0, id_start=start)


def name_of(paths: Paths, ident: str) -> str:
    """The name that leads to it; the beginning of its id when there is none."""
    for name in os.listdir(paths.names):
        try:
            if os.readlink(f"{paths.names}/{name}") == ident:
                return name
        except FileNotFoundError:
            continue
    return ident[:12]


def _group_above(paths: Paths, ident: str) -> str | None:
    """Where its group is, if it runs and that is another place than usual; a scope is where it always is."""
    pid = observe(paths.container(ident), paths.container_run(ident)).pid
    if scopes.managed() or not pid:
        return None
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
            places = {line.rstrip("\n").split(":", 2)[2].strip("/") for line in file}
    except (FileNotFoundError, ProcessLookupError):
        return None  # it has ended since
    found = {place[: -len(ident) - 1] for place in places if place.endswith(f"/{ident}")}
    return next(iter(found - {paths.cgroup}), None)
