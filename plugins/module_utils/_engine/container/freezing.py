# SPDX-License-Identifier: GPL-3.0-or-later
"""Standing still: a container is frozen only as long as whoever holds its lock wants it so."""

from __future__ import annotations

from ..cgroup import group, hierarchy
from ..paths import Paths
from . import record as records
from .record import Record


def wake(paths: Paths, record: Record) -> None:
    """Let a container go on that was left frozen by a command that was killed. The caller holds its lock: nobody else wants it still."""
    here = hierarchy.mounted()
    if group.is_frozen(here, record.group(paths), record.id):
        group.freeze(here, record.group(paths), record.id, frozen=False)


def wait_until_awake(paths: Paths, record: Record) -> None:
    """Return once the container goes on; costs one look when it does."""
    if group.is_frozen(hierarchy.mounted(), record.group(paths), record.id):
        with records.lock(paths, record):
            wake(paths, record)
