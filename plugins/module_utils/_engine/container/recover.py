# SPDX-License-Identifier: GPL-3.0-or-later
"""Before a change: clean up after commands that were killed. Two listings of empty directories when none was."""

from __future__ import annotations

import os

from ..errors import Busy, NotFound
from ..locks import Lock
from ..paths import Paths
from . import record as records
from .record import Record

_STAGED, _LOCK = "container-", ".lock"


def recover(paths: Paths) -> None:
    """Sweep staging, give back the id ranges of containers that never came to be, end replacements that were cut short."""
    staged = os.listdir(paths.staging)
    if staged:
        _sweep(paths, staged)
    for name in os.listdir(paths.replacing):
        _end_replacement(paths, name[: -len(_LOCK)])


def replacement(paths: Paths, old: Record) -> Lock:
    """Held while `old` makes way for another: it is still there to be gone back to, and goes if its replacer dies."""
    return Lock(paths.replacing, old.id)


def forget(paths: Paths, note: Lock) -> None:
    """Forget the replacement whose lock this is; the lock is still held."""
    os.unlink(note.path)


def _sweep(paths: Paths, names: list[str]) -> None:
    from ..security import idranges
    from ..storage import staging

    if any(name.startswith(_STAGED) for name in names):
        records.free_names(paths)
    staging.sweep(paths)
    left = set(os.listdir(paths.staging))
    for name in names:
        if name.startswith(_STAGED) and name not in left:
            idranges.forget(paths, name[len(_STAGED) :][:64])


def _end_replacement(paths: Paths, ident: str) -> None:
    """The name tells which of the two has won; the other one goes, unless whoever replaces it is still at work."""
    note = Lock(paths.replacing, ident, patience=0)
    try:
        with note:
            _settle(paths, ident)
            forget(paths, note)
    except (Busy, FileNotFoundError):
        return


def _settle(paths: Paths, ident: str) -> None:
    try:
        loser = records.load(paths, ident)
    except NotFound:
        return
    winner = records.find_by_name(paths, loser.name)
    if winner is None:
        records.point(paths, loser)
    if winner is None or winner.id == ident:
        return
    from .release import discard, settled
    from .stop import kill

    if settled(paths, loser).status == "running":
        kill(paths, loser)
    discard(paths, loser)
