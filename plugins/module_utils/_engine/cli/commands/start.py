# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth start`: starts containers that exist."""

from __future__ import annotations

from ...container import record as records
from ...container.start import start
from ...errors import Conflict
from ...kernel import sockets
from .. import terminal
from ..attaching import converse
from ..options import Command, Option, UsageError
from ..several import Several

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "start",
    "CONTAINER...",
    "Start containers. With --attach the exit status is the command's.",
    (
        Option("-a --attach", "show the output and wait for the end"),
        Option("-i --interactive", "connect standard input, too"),
    ),
    least=1,
    runs_program=True,
)


def run(paths: Paths, given: Given) -> int:
    if given.flag("attach") or given.flag("interactive"):
        if len(given.operands) > 1:
            raise UsageError("start: --attach and --interactive take one container")
        return _attached(paths, given.operands[0], interactive=given.flag("interactive"))
    several = Several()
    found = several.find(paths, given.operands)
    several.each(found, lambda name: _ensure_started(paths, found[name]))
    return several.status


def _ensure_started(paths: Paths, record: records.Record) -> None:
    now = record.state(paths)
    if now.paused:
        raise _stands_still(record)
    if now.status == "running":
        return
    start(paths, record)


def _stands_still(record: records.Record) -> Conflict:
    return Conflict(f"container {record.name} is paused: berth unpause {record.name} lets it go on")


def _attached(paths: Paths, name: str, *, interactive: bool) -> int:
    record = records.find(paths, name)
    now = record.state(paths)
    if now.paused:
        raise _stands_still(record)
    if now.status == "running":
        raise Conflict(f"container {record.name} runs already: berth attach {record.name} connects to it")
    interactive = interactive and record.spec.interactive
    if record.spec.tty and interactive:
        terminal.check()
    ours, theirs = sockets.pair(sockets.SOCK_STREAM)
    with ours:
        with theirs:
            start(paths, record, client=theirs, size=terminal.size(0) if record.spec.tty else None)
        return converse(paths, record, ours, interactive=interactive, close=interactive)
