# SPDX-License-Identifier: GPL-3.0-or-later
"""Which network a container gets: `bridge` (its own address), `none`, `host`, or `container:NAME` (another's)."""

from __future__ import annotations

from ..errors import InvalidSpec
from ..names import check_name
from ..values import Value

BRIDGE, NONE, HOST, CONTAINER = "bridge", "none", "host", "container"


class Mode(Value):
    """`kind` is bridge, none, host or container; `target` is the container whose network is shared, else empty."""

    kind: str
    target: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.target}" if self.target else self.kind


def parse_mode(text: object) -> Mode:
    """The mode that `text` names; None, "" and "default" mean bridge. InvalidSpec otherwise."""
    name = str(text or BRIDGE)
    if name in (BRIDGE, "default"):
        return Mode(kind=BRIDGE)
    if name in (NONE, HOST):
        return Mode(kind=name)
    kind, colon, target = name.partition(":")
    if colon and kind == CONTAINER:
        return Mode(kind=CONTAINER, target=check_name(target))
    raise InvalidSpec(f"network_mode {name!a} is not known: use bridge, none, host or container:NAME")
