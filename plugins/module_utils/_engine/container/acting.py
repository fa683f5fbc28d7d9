# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of a container's plan do."""

from __future__ import annotations

import contextlib

from ..errors import Conflict, NotFound
from ..paths import Paths
from . import record as records
from . import update as updating
from .create import create_held
from .freezing import pause, unpause
from .record import Record
from .recover import forget, replacement
from .remove import remove
from .spec import Spec
from .start import start
from .stop import stop


def update(paths: Paths, record: Record, wanted: Spec) -> None:
    """Change live fields."""
    updating.update(paths, record, wanted)


def replace(paths: Paths, old: Record, wanted: Spec, *, run: bool) -> None:
    """Put a new container in the place of `old`. If it can't be started, the old one is put back as it was, and the error flies."""
    was = old.state(paths)
    with replacement(paths, old) as note:
        stop(paths, (old,))
        try:
            make(paths, wanted, run=run, instead_of=old.id)
        except BaseException:
            records.point(paths, old)
            forget(paths, note)
            if was.status == "running":
                start(paths, old)
            if was.paused:
                pause(paths, old)
            raise
        with contextlib.suppress(NotFound):
            remove(paths, old)
        forget(paths, note)


def make(paths: Paths, wanted: Spec, *, run: bool, instead_of: str = "") -> None:
    """Create the container, and start it when it is to `run`; one that can't be started is taken away again."""
    record, lock = create_held(paths, wanted, instead_of=instead_of)
    try:
        if run:
            start(paths, record, lock=lock)
        else:
            records.settle(paths)
    except BaseException:
        lock.release()
        # Not by force: should another command have started it by now, that one says what becomes of it.
        with contextlib.suppress(Conflict):
            remove(paths, record)
        raise
    finally:
        lock.release()


def begin(paths: Paths, record: Record) -> None:
    """Start the container as its record is by now: a step before may have changed it."""
    start(paths, records.load(paths, record.id))


def end(paths: Paths, record: Record) -> None:
    """Stop the container."""
    stop(paths, (records.load(paths, record.id),))


def rest(paths: Paths, name: str) -> None:
    """Pause the container of that name: a step before may have made it."""
    pause(paths, records.find(paths, name))


def go_on(paths: Paths, name: str) -> None:
    """Unpause the container of that name."""
    unpause(paths, records.find(paths, name))


def take_away(paths: Paths, record: Record) -> None:
    """Stop and remove the container; one that removes itself when it ends may be quicker."""
    stop(paths, (record,))
    with contextlib.suppress(NotFound):
        remove(paths, record, force=True)
