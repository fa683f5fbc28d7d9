# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth restart`: ends containers, all at the same time, and starts them again."""

from __future__ import annotations

from ...container.start import start
from ...container.stop import stop
from ..options import Command
from ..several import Several, distinct
from .stop import TIME, patience

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command("restart", "CONTAINER...", "Stop containers that run, then start them.", (TIME,), least=1)


def run(paths: Paths, given: Given) -> int:
    several = Several()
    found = several.find(paths, given.operands)
    stop(paths, distinct(found.values()), timeout=patience(given))
    several.each(found, lambda name: start(paths, found[name]))
    return several.status
