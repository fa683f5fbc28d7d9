# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth system df|check|dedupe`: what the store takes, whether it is whole, and what it has twice."""

from __future__ import annotations

from ...errors import Damaged
from ...units import show_size
from .. import say
from ..options import Command, Option, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "system",
    "df|check|dedupe",
    "df tells what images and containers take on the disk. check looks whether every blob, layer and record is what it was, and\n"
    "ends with 76 if not. dedupe makes equal files of layers and of stopped containers one.",
    (
        Option("--blobs", "dedupe: derive lets blobs go that their trees give (default), keep, or restore", "WHAT"),
        Option("--dry-run", "dedupe: only say how much there is"),
        Option("--format", "table or json", "FORMAT"),
        Option("--repair", "check: make damaged layers again from their blobs, and set aside what can't be"),
    ),
    least=1,
    most=1,
)

_KINDS = (
    ("linked", "files of layers"), ("dropped", "files of stopped containers"), ("reflinked", "files sharing blocks"),
    ("derived", "blobs that come from their trees"), ("restored", "blobs that are files again"),
)  # fmt: skip


def run(paths: Paths, given: Given) -> int:
    form = given.text("format") or "table"
    if form not in ("table", "json"):
        raise UsageError(f"system: --format is table or json, not {form!a}")
    acts = {"df": _df, "check": _check, "dedupe": _dedupe}
    if given.operands[0] not in acts:
        raise UsageError(f"system: {given.operands[0]!a} is none of df, check, dedupe")
    return acts[given.operands[0]](paths, given, as_json=form == "json")


def _df(paths: Paths, given: Given, *, as_json: bool) -> int:
    from ...image.df import system_df

    del given
    found = system_df(paths, {}, check=True).result
    if as_json:
        say.json_document(found)
        return 0
    say.table(
        ("KIND", "NAME", "SIZE", "SHARED", "UNIQUE"),
        [
            *(_row("image", item["name"] or item["digest"], item) for item in found["images"]),
            *(_row("container", item["name"], item) for item in found["containers"]),
        ],
    )
    totals = found["totals"]
    for kind in ("images", "containers", "leftover", "staging", "damaged"):
        free = f", {show_size(totals[kind]['reclaimable'])} could come free" if "reclaimable" in totals[kind] else ""
        say.line(f"{kind}: {show_size(totals[kind]['size'])}{free}")
    return 0


def _row(kind: str, name: str, item: dict[str, Any]) -> tuple[str, ...]:
    return (kind, name, *(show_size(item[key]) for key in ("size", "shared", "unique")))


def _check(paths: Paths, given: Given, *, as_json: bool) -> int:
    from ...image.check import system_check

    answer = system_check(paths, {"repair": given.flag("repair")}, check=False)
    found = answer.result
    for warning in answer.warnings:
        say.error(warning)
    if as_json:
        say.json_document(found)
    else:
        _report(found, repaired=given.flag("repair"))
    return 0 if found["ok"] else Damaged.exit_code


def _report(found: dict[str, Any], *, repaired: bool) -> None:
    shown = [*found["repaired"], *found["set_aside"]] if repaired else found["problems"]
    for item in shown:
        remedy = f": {item['remedy']}" if repaired else ""
        images = f" (in {', '.join(item['images'][:5])})" if item["images"] else ""
        say.line(f"{item['kind']} {item['name']}{images}: {item['problem']}{remedy}")
    checked = found["checked"]
    say.line(
        f"{checked['blobs']} blobs and {checked['layers']} layers, {show_size(checked['bytes'])}: "
        f"{len(found['problems']) or 'nothing'} damaged"
    )


def _dedupe(paths: Paths, given: Given, *, as_json: bool) -> int:
    from ...container.dedupe import container_image_dedupe

    dry = given.flag("dry-run")
    found = container_image_dedupe(paths, {"blobs": given.text("blobs")}, check=dry).result
    if as_json:
        say.json_document(found)
        return 0
    for kind, what in _KINDS:
        if found.get(kind, {}).get("files"):
            say.line(f"{found[kind]['files']} {what}: {show_size(found[kind]['bytes'])}")
    say.line(f"{show_size(found['bytes_freed'])} {'would be freed' if dry else 'freed'}")
    return 0
