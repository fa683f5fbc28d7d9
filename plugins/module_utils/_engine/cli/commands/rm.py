# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth rm`: removes containers."""

from __future__ import annotations

from ...container.remove import remove
from ..options import Command, Option
from ..several import Several, distinct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "rm",
    "CONTAINER...",
    "Remove containers and what they changed. Volumes stay.",
    (Option("-f --force", "kill those that run"),),
    least=1,
)


def run(paths: Paths, given: Given) -> int:
    force = given.flag("force")
    several = Several()
    found = several.find(paths, given.operands, anyhow=True)
    if force and len(found) > 1:
        from ...container.stop import stop

        stop(paths, distinct(found.values()), signal_name="SIGKILL")
    several.each(found, lambda name: remove(paths, found[name], force=force))
    return several.status
