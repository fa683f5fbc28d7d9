# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is: the state of one container, all of them, the processes in one."""

from __future__ import annotations

from ..errors import Conflict, NotFound
from . import groups
from .store import Home, Known, idents, state_of, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def state(root: str, ident: str) -> dict[str, Any]:
    """The state as the specification writes it. NotFound when there is no such container."""
    home = Home(root, ident)
    known = home.read()
    return state_of(ident, known, word_of(home, known))


def word_of(home: Home, known: Known) -> str:
    """Its status, paused included."""
    return status(home, known, paused=groups.is_frozen(known.place))


def everything(root: str) -> list[dict[str, Any]]:
    """The state of every container; one that goes away meanwhile is left out."""
    found = []
    for ident in idents(root):
        try:
            found.append(state(root, ident))
        except NotFound:
            continue
    return found


def processes(root: str, ident: str) -> list[int]:
    """The pids in the container."""
    return list(groups.processes(Home(root, ident).read().place))


def pause(root: str, ident: str, *, frozen: bool) -> None:
    """Stop every process of a container, or let them go on. Conflict when there is nothing to do that to."""
    with Home(root, ident) as home:
        known = home.read()
        word = word_of(home, known)
        wanted = ("created", "running") if frozen else ("paused",)
        if word not in wanted:
            raise Conflict(f"container {ident} is {word}, not {' or '.join(wanted)}")
        groups.freeze(known.place, frozen=frozen)
