# SPDX-License-Identifier: GPL-3.0-or-later
"""Standing still: by somebody's wish, which is written down, or for as long as a command that holds the container's lock wants it."""

from __future__ import annotations

from ..cgroup import group, hierarchy
from ..errors import Conflict
from ..paths import Paths
from ..runtime import state
from . import record as records
from .record import Record


def pause(paths: Paths, record: Record) -> bool:
    """Freeze all of the container's processes until somebody wants them to go on; False when it is so already.

    Conflict when it does not run. Killed in between, it was not paused: whoever comes next lets it go on.
    """
    with records.lock(paths, record):
        now = _running(paths, record)
        group.freeze(hierarchy.mounted(), record.group(paths), record.id, frozen=True)
        state.write_paused(paths.container_run(record.id), paused=True)
        return not now.paused


def unpause(paths: Paths, record: Record) -> bool:
    """Let a paused container go on; False when it was not paused. Conflict when it does not run."""
    with records.lock(paths, record):
        now = _running(paths, record)
        wake(paths, record)
        return now.paused


def wake(paths: Paths, record: Record) -> None:
    """Let a container go on, whoever froze it: also a command that was killed. The caller holds its lock. Idempotent."""
    here, parent = hierarchy.mounted(), record.group(paths)
    if group.is_frozen(here, parent, record.id):
        group.freeze(here, parent, record.id, frozen=False)
    # After the deed: killed in between, it still counts as paused, and is let go on again.
    state.write_paused(paths.container_run(record.id), paused=False)


def wait_until_awake(paths: Paths, record: Record) -> None:
    """Return once the container goes on; costs one look when it does. Conflict when it is paused."""
    if group.is_frozen(hierarchy.mounted(), record.group(paths), record.id):
        with records.lock(paths, record):
            if record.state(paths).paused:
                raise Conflict(f"container {record.name} is paused: unpause it first")
            wake(paths, record)


def _running(paths: Paths, record: Record) -> state.State:
    now = record.state(paths)
    if now.status != "running":
        raise Conflict(f"container {record.name} does not run: start it first")
    return now
