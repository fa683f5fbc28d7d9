# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth ps`: what containers there are, whoever made them."""

from __future__ import annotations

import time

from ...container import record as records
from .. import say, showing
from ..listing import Commands, Listed, ports_of
from ..options import Command, Option, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ...errors import Damaged
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "ps",
    "",
    "List the containers that run, the newest first.",
    (
        Option("-a --all", "also those that do not run"),
        Option("-f --filter", "only those with name=, status= or label=", "KEY=VALUE", many=True),
        Option("--format", "table or json", "FORMAT"),
        Option("--no-trunc", "whole ids and commands"),
        Option("-q --quiet", "only ids"),
    ),
    most=0,
)
_HEAD = ("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")
_WIDTH = 28


def run(paths: Paths, given: Given) -> int:
    form, whole = given.text("format") or "table", given.flag("no-trunc")
    if form not in ("table", "json"):
        raise UsageError(f"ps: --format is table or json, not {form!a}")
    damaged: list[Damaged] = []
    found = [item for item in _list(paths, given, damaged) if _wanted(item, given.many("filter"))]
    if given.flag("quiet"):
        say.text("".join(f"{item.record.id if whole else item.record.id[:12]}\n" for item in found))
    elif form == "json":
        say.json_document([_facts(item) for item in found])
    else:
        now = time.time()
        say.table(_HEAD, (_row(item, now, whole=whole) for item in found))
    for error in damaged:
        say.error(str(error))
    return damaged[0].exit_code if damaged else 0


def _list(paths: Paths, given: Given, damaged: list[Damaged]) -> Iterator[Listed]:
    commands = Commands(paths)
    everything = given.flag("all") or any(text.startswith("status=") for text in given.many("filter"))
    for record in reversed(list(records.every(paths, damaged=damaged))):
        state = record.state(paths)
        if everything or state.status == "running":
            yield Listed(record=record, state=state, command=commands.of(record), ports=ports_of(paths, record, state))


def _wanted(item: Listed, filters: tuple[str, ...]) -> bool:
    return all(_matches(item, *text.partition("=")[::2]) for text in filters)


def _matches(item: Listed, key: str, value: str) -> bool:
    spec = item.record.spec
    if key == "name":
        return value in spec.name
    if key == "status":
        return value == item.state.shown
    if key == "label":
        name, equals, wanted = value.partition("=")
        return name in spec.labels and (not equals or spec.labels[name] == wanted)
    raise UsageError(f"ps: --filter knows name, status and label, not {key!a}")


def _row(item: Listed, now: float, *, whole: bool) -> tuple[str, ...]:
    record, command = item.record, " ".join(item.command)
    return (
        record.id if whole else record.id[:12],
        record.spec.image,
        say.plain(command) if whole else showing.shortened(say.plain(command), _WIDTH),
        showing.ago(record.created, now),
        showing.status(item.state, now),
        ", ".join(map(showing.port, item.ports)),
        record.name,
    )


def _facts(item: Listed) -> dict[str, Any]:
    record, state = item.record, item.state
    return {
        "id": record.id,
        "name": record.name,
        "image": record.spec.image,
        "image_digest": record.image_digest,
        "command": list(item.command),
        "created": record.created,
        "status": state.shown,
        "exit_code": state.exit_code if state.status == "exited" else None,
        "started_at": state.started_at or None,
        "finished_at": state.finished_at or None,
        "ports": [port.as_dict() for port in item.ports],
        "labels": dict(record.spec.labels),
    }
