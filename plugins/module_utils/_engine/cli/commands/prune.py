# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth prune`: frees the disk of what no container and no name needs."""

from __future__ import annotations

from ...image.prune import container_prune
from ...units import show_size
from .. import say
from ..options import Command, Option, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "prune",
    "",
    "Remove images without a name, parts that no image has, and what commands that died left. What a container was made from\n"
    "is never removed.",
    (
        Option("-a --all", "also images with a name, if no container uses them"),
        Option("--damaged", "also what berth system check --repair has set aside"),
        Option("--dry-run", "only say what would go"),
        Option("--filter", "label=KEY, label=KEY=VALUE or until=TIME: only images like that", "FILTER", many=True),
        Option("--until", "only images that came before: 24h ago, or 2026-01-01T00:00:00Z", "TIME"),
    ),
    most=0,
)


def run(paths: Paths, given: Given) -> int:
    dry = given.flag("dry-run")
    answer = container_prune(paths, _params(given), check=dry)
    for warning in answer.warnings:
        say.error(warning)
    found = answer.result
    for image in found["images"]:
        say.line(f"image {image['name'] or image['digest']}")
    for kind in ("layers", "blobs", "staging", "damaged"):
        for name in found[kind]:
            say.line(f"{kind.rstrip('s') if kind != 'staging' else kind} {name}")
    say.line(f"{show_size(found['bytes_freed'])} {'would be freed' if dry else 'freed'}")
    return 0


def _params(given: Given) -> dict[str, Any]:
    until, labels = given.text("until"), []
    for text in given.many("filter"):
        key, _equals, value = text.partition("=")
        if key == "label" and value:
            labels.append(value)
        elif key == "until" and value:
            until = value
        else:
            raise UsageError(f"prune: --filter is label=KEY, label=KEY=VALUE or until=TIME, not {text!a}")
    return {"all": given.flag("all"), "damaged": given.flag("damaged"), "until": until, "labels": labels or None}
