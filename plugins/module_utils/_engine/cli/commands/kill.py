# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth kill`: sends a signal to containers' first processes."""

from __future__ import annotations

from ...container.signalling import send
from ...container.stop import stop
from ...errors import Conflict
from ..options import Command, Option
from ..several import Several
from ..signals import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...container.record import Record
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "kill",
    "CONTAINER...",
    "Send a signal to containers' first processes; after SIGKILL, wait for their end.",
    (Option("-s --signal", "KILL if left out", "SIGNAL"),),
    least=1,
)


def run(paths: Paths, given: Given) -> int:
    number = named(given.text("signal") or "KILL", "--signal")
    several = Several()
    found = several.find(paths, given.operands)
    several.each(found, lambda name: _send(paths, found[name], number))
    return several.status


def _send(paths: Paths, record: Record, number: str) -> None:
    if number in ("SIGKILL", "9"):
        sent = bool(stop(paths, (record,), signal_name="SIGKILL"))
    else:
        sent = send(paths, record, number)
    if not sent:
        raise Conflict(f"container {record.name} does not run: berth start starts it")
