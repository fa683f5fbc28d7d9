# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth logs`: what a container said, each stream to its own."""

from __future__ import annotations

import time

from ...container import record as records
from .. import journal, say
from ..options import Command, Option, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...container.record import Record
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "logs",
    "CONTAINER",
    "Print what a container wrote to standard output and standard error, also after its end.",
    (
        Option("-f --follow", "go on until the container ends"),
        Option("-n --tail", "only that many lines of the end; all is every line", "NUMBER"),
        Option("-t --timestamps", "put the time in front of each line"),
    ),
    least=1,
    most=1,
)
_PAUSE = 0.1
_FDS = {"stderr": 2}


def run(paths: Paths, given: Given) -> int:
    record = records.find(paths, given.operands[0])
    reader = journal.Journal(f"{paths.container(record.id)}/logs/container.log")
    timestamps = given.flag("timestamps")
    _print(reader.tail(_count(given.text("tail"))), timestamps=timestamps)
    while given.flag("follow"):
        # Asked before reading: what is written before the end is read after it.
        ended = record.state(paths).status != "running"
        lines = reader.news()
        _print(lines, timestamps=timestamps)
        if ended and _has_settled(paths, record):
            _print(reader.news(), timestamps=timestamps)
            break
        if not lines:
            time.sleep(_PAUSE)
    return 0


def _has_settled(paths: Paths, record: Record) -> bool:
    """The supervisor completes the log after the end that it watched for."""
    from ...runtime.state import supervisor_of

    return not supervisor_of(paths.container_run(record.id))


def _count(text: str | None) -> int | None:
    if text is None or text == "all":
        return None
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"logs: --tail takes a number of lines or all, not {text!a}")
    return int(text)


def _print(lines: Iterable[journal.Line], *, timestamps: bool) -> None:
    """Lines that follow each other on the same stream go out together."""
    fd, gathered = 1, bytearray()
    for line in lines:
        if _FDS.get(line.stream, 1) != fd or len(gathered) > 1 << 16:
            say.out(bytes(gathered), fd)
            fd, gathered = _FDS.get(line.stream, 1), bytearray()
        gathered += f"{line.time} {line.text}".encode() if timestamps else line.text.encode()
    say.out(bytes(gathered), fd)
