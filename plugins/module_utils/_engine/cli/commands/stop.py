# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth stop`: ends containers, all at the same time."""

from __future__ import annotations

from ...container.stop import stop
from ...units import parse_duration
from .. import say
from ..options import Command, Option
from ..several import Several, distinct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

TIME = Option("-t --time --timeout", "how long they may take before they are killed", "SECONDS")
COMMAND = Command(
    "stop",
    "CONTAINER...",
    "Ask containers to end, wait once for all of them, then kill those that are left.",
    (TIME, Option("-s --signal", "what asks them, instead of their own", "SIGNAL")),
    least=1,
)


def patience(given: Given) -> float | None:
    """The time-out that was given; None: each container's own."""
    seconds = given.text("time")
    return None if seconds is None else parse_duration(seconds, "--time")


def run(paths: Paths, given: Given) -> int:
    several = Several()
    found = several.find(paths, given.operands)
    signal_name = given.text("signal")
    if signal_name is not None:
        from ..signals import named

        signal_name = named(signal_name, "--signal")
    stop(paths, distinct(found.values()), timeout=patience(given), signal_name=signal_name)
    for name in found:
        say.line(name)
    return several.status
