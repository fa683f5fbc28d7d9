# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth pause`: lets containers stand still."""

from __future__ import annotations

from ...container.freezing import pause
from ...errors import Conflict
from ..options import Command
from ..several import Several

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...container.record import Record
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "pause",
    "CONTAINER...",
    "Freeze all processes of containers. They keep their memory and their addresses; berth unpause lets them go on.",
    least=1,
)


def run(paths: Paths, given: Given) -> int:
    several = Several()
    found = several.find(paths, given.operands)
    several.each(found, lambda name: _pause(paths, found[name]))
    return several.status


def _pause(paths: Paths, record: Record) -> None:
    if not pause(paths, record):
        raise Conflict(f"container {record.name} is paused already")
