# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth stats`: what containers use, from the kernel's own numbers, once or again and again."""

from __future__ import annotations

import os
import time

from ...container import record as records
from ...container.stats import stats_of
from ...units import show_size
from .. import say, showing
from ..options import Command, Option, UsageError
from ..several import Several, distinct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...container.record import Record
    from ...paths import Paths
    from ..options import Given

    Numbers = dict[str, tuple[Record, dict[str, Any]]]

COMMAND = Command(
    "stats",
    "[CONTAINER...]",
    "Show what containers that run use, every second until Ctrl-C. CPU % is the time used between two looks, 100 for each CPU.",
    (
        Option("--format", "table, or json for all numbers of the kernel", "FORMAT"),
        Option("--no-stream", "look once (twice for the CPU % of a table)"),
    ),
)
_HEAD = ("CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS")
_INTERVAL = 1.0
_CLEAR = "\033[H\033[J"


def run(paths: Paths, given: Given) -> int:
    form, once = given.text("format") or "table", given.flag("no-stream")
    if form not in ("table", "json"):
        raise UsageError(f"stats: --format is table or json, not {form!a}")
    several = Several()
    chosen = distinct(several.find(paths, given.operands).values()) if given.operands else None
    if several.status:
        # A look at those that are left would never end, and nobody would see why.
        return several.status
    if form == "json":
        _as_json(paths, chosen, once=once)
    else:
        _as_table(paths, chosen, once=once)
    return several.status


def _look(paths: Paths, chosen: tuple[Record, ...] | None) -> Numbers:
    # Those whose record is damaged are left out; berth ps tells of them.
    found = (
        (record, stats_of(paths, record)) for record in (records.every(paths, damaged=[]) if chosen is None else chosen)
    )
    return {record.id: (record, numbers) for record, numbers in found if numbers}


def _as_json(paths: Paths, chosen: tuple[Record, ...] | None, *, once: bool) -> None:
    """A list, or in a stream one line for each container and look."""
    from ...jsontext import dumps

    while True:
        shown = [_facts(record, numbers) for record, numbers in _look(paths, chosen).values()]
        if once:
            return say.json_document(shown)
        say.text("".join(f"{dumps(facts)}\n" for facts in shown))
        time.sleep(_INTERVAL)


def _facts(record: Record, numbers: dict[str, Any]) -> dict[str, Any]:
    return {"id": record.id, "name": record.name, **numbers}


def _as_table(paths: Paths, chosen: tuple[Record, ...] | None, *, once: bool) -> None:
    before, clear = _look(paths, chosen), _CLEAR if os.isatty(1) and not once else ""
    while True:
        time.sleep(_INTERVAL)
        now = _look(paths, chosen)
        say.text(clear)
        say.table(_HEAD, [_row(record, numbers, before.get(ident)) for ident, (record, numbers) in now.items()])
        if once:
            return
        before = now


def _row(record: Record, now: dict[str, Any], before: tuple[Record, dict[str, Any]] | None) -> tuple[str, ...]:
    memory, block, network = now["memory"] or {}, now["block_io"], now["network"]
    moved = [sum(device[key] for device in (network or {}).values()) for key in ("received_bytes", "sent_bytes")]
    used, limit = memory.get("working_set"), memory.get("limit")
    return (
        record.id[:12],
        record.name,
        _cpu(now, before[1] if before else None),
        f"{_size(used)} / {_size(limit)}",
        f"{used * 100 / limit:.2f}" if used is not None and limit else "-",
        "-" if network is None else f"{showing.size(moved[0])} / {showing.size(moved[1])}",
        f"{showing.size(block['read_bytes'])} / {showing.size(block['write_bytes'])}" if block else "-",
        str((now["pids"] or {}).get("current", "-")),
    )


def _cpu(now: dict[str, Any], before: dict[str, Any] | None) -> str:
    """What was used between the two looks, of the time between them."""
    first, last = (((item and item["cpu"]) or {}).get("usage_ns") for item in (before, now))
    if not before or first is None or last is None:
        return "-"
    return f"{(last - first) * 100 / (now['time_ns'] - before['time_ns']):.2f}"


def _size(count: int | None) -> str:
    return "-" if count is None else show_size(count)
