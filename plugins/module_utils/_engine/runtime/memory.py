# SPDX-License-Identifier: GPL-3.0-or-later
"""linux.memoryPolicy of config.json (runtime-spec 1.3, config-linux.md, Memory policy). Of foreign bundles only."""

from __future__ import annotations

from ..kernel import numa
from .limits import parse_processors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def check(entry: dict[str, Any]) -> None:
    """InvalidSpec for words that no kernel knows."""
    numa.mode_of(entry)
    _nodes(entry)


def take(linux: dict[str, Any]) -> None:
    """Set it for this process, whose groups are joined: the nodes are those of its cpuset."""
    entry = linux.get("memoryPolicy")
    if entry:
        numa.set_policy(entry, _nodes(entry))


def _nodes(entry: dict[str, Any]) -> frozenset[int]:
    text = str(entry.get("nodes") or "")
    return parse_processors(text, "linux.memoryPolicy.nodes", "memory nodes") if text else frozenset()
