# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth attach`: the user at a container that runs."""

from __future__ import annotations

from ...container import record as records
from ...container.attach import open_stream
from .. import terminal
from ..attaching import converse
from ..conversation import size_frame
from ..options import Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.sockets import Socket
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "attach",
    "CONTAINER",
    "Connect this terminal to a container's first process. Ctrl-P Ctrl-Q leaves it running; the exit status is the process's.",
    (
        Option("--no-stdin", "connect its output only"),
        Option("--sig-proxy", "send signals on to it (the default)", "true|false"),
    ),
    least=1,
    most=1,
    runs_program=True,
)


def run(paths: Paths, given: Given) -> int:
    record = records.find(paths, given.operands[0])
    interactive = record.spec.interactive and not given.flag("no-stdin")
    if record.spec.tty and interactive:
        terminal.check()
    with open_stream(paths, record) as end:
        if record.spec.tty:
            _redraw(end)
        proxy = (given.text("sig-proxy") or "true").lower() not in ("false", "0")
        return converse(paths, record, end, interactive=interactive, close=False, proxy=proxy)


def _redraw(end: Socket) -> None:
    """A program draws again when the size changes, so it changes twice."""
    rows, columns = terminal.size(0)
    if rows:
        frame = bytearray(size_frame())
        frame[-2:] = (columns + 1).to_bytes(2, "big")
        end.sendall(bytes(frame))
        end.sendall(size_frame())
