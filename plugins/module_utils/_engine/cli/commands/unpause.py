# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth unpause`: lets paused containers go on."""

from __future__ import annotations

from ...container.freezing import unpause
from ...errors import Conflict
from ..options import Command
from ..several import Several

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...container.record import Record
    from ...paths import Paths
    from ..options import Given

COMMAND = Command("unpause", "CONTAINER...", "Let paused containers go on.", least=1)


def run(paths: Paths, given: Given) -> int:
    several = Several()
    found = several.find(paths, given.operands)
    several.each(found, lambda name: _unpause(paths, found[name]))
    return several.status


def _unpause(paths: Paths, record: Record) -> None:
    if not unpause(paths, record):
        raise Conflict(f"container {record.name} is not paused: berth pause pauses it")
