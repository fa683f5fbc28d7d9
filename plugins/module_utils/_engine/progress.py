# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a transfer is: whoever moves bytes tells a callable about it, and does not care who listens."""

from __future__ import annotations

from .values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Report = Callable[["Event"], None]

WAITING, RUNNING, THERE, DONE = "waiting", "running", "there", "done"


class Event(Value):
    """One blob's progress. `what` is "pull", "push", "load"..., `done` and `total` are bytes of the blob as stored; a `total`
    of 0 is not known. `state`: "waiting" before its first byte, "running", "done" at its end, "there" when nothing had to move.
    `name` is the image's; a `digest` of "" is not known yet, and there is one such blob only. `step`: what is done for it
    before there are bytes to count, in words."""

    what: str
    digest: str
    done: int = 0
    total: int = 0
    state: str = RUNNING
    name: str = ""
    step: str = ""


def silent(event: Event) -> None:
    """The listener that is nobody."""
    del event


def named(report: Report, name: str) -> Report:
    """A listener that tells `report` which image it is about."""
    if report is silent:
        return silent
    return lambda event: report(event.replace(name=name))
