# SPDX-License-Identifier: GPL-3.0-or-later
"""Removal is creation backwards: one rename and the container is gone, what is left is rubbish to delete."""

from __future__ import annotations

from ..errors import Conflict
from ..paths import Paths
from . import record as records
from .record import Record
from .release import discard, settled
from .stop import kill


def remove(paths: Paths, record: Record, *, force: bool = False) -> None:
    """Remove the container and everything that is its own. Conflict when it runs, unless `force` kills it. Idempotent."""
    with records.lock(paths, record):
        if settled(paths, record).status == "running":
            if not force:
                raise Conflict(f"container {record.name} runs: stop it first, or remove it by force")
            kill(paths, record)
        discard(paths, record)
