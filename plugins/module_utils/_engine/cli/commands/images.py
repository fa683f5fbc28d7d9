# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth images`: what images there are."""

from __future__ import annotations

import time

from ...image.config import SECOND, read_created
from ...image.info import container_image_info
from .. import say, showing
from ..options import Command, Option, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "images",
    "[NAME...]",
    "List images.",
    (
        Option("--digests", "manifests' digests, too"),
        Option("--format", "table or json", "FORMAT"),
        Option("--no-trunc", "whole ids"),
        Option("-q --quiet", "only ids"),
    ),
)


def run(paths: Paths, given: Given) -> int:
    form = given.text("format") or "table"
    if form not in ("table", "json"):
        raise UsageError(f"images: --format is table or json, not {form!a}")
    answer = container_image_info(paths, {"name": list(given.operands) or None}, check=True)
    found = answer.result["images"]
    for warning in answer.warnings:
        say.error(warning)
    whole = given.flag("no-trunc")
    if given.flag("quiet"):
        idents = dict.fromkeys(image["id"] for image in found)
        say.text("".join(f"{ident if whole else showing.short_id(ident)}\n" for ident in idents))
    elif form == "json":
        say.json_document(found)
    else:
        _table(found, whole=whole, digests=given.flag("digests"))
    return 0


def _table(images: list[dict[str, Any]], *, whole: bool, digests: bool) -> None:
    now = time.time()
    head = ("REPOSITORY", "TAG", *(("DIGEST",) if digests else ()), "IMAGE ID", "CREATED", "SIZE")
    say.table(head, (_row(image, now, whole=whole, digests=digests) for image in images))


def _row(image: dict[str, Any], now: float, *, whole: bool, digests: bool) -> tuple[str, ...]:
    repository, _unused, tag = image["name"].rpartition(":")
    return (
        repository or "<none>",
        tag or "<none>",
        *((image["digest"],) if digests else ()),
        image["id"] if whole else showing.short_id(image["id"]),
        showing.ago(read_created(image["created"]) / SECOND, now),
        showing.size(image["size"]),
    )
