# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending containers: ask, wait once for all of them, then insist."""

from __future__ import annotations

from ..errors import EngineError, NotFound
from ..image.resolve import resolve
from ..paths import Paths
from ..runtime import state
from ..runtime.waiting import wait_for_end
from ..undo import Undo
from . import record as records
from .freezing import wake
from .record import Record
from .release import bury, settled
from .signalling import send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_GRACE = 10.0
_AFTER_KILL = 30.0


def stop(
    paths: Paths, containers: Sequence[Record], *, timeout: float | None = None, signal_name: str | None = None
) -> tuple[str, ...]:
    """Stop those that run, all at the same time; returns their names. Each has its own time-out unless `timeout` is given.

    Idempotent. The exit status is recorded and the network is given back when this returns.
    """
    with Undo() as held:
        for record in sorted(containers, key=lambda item: item.id):
            held.enter(records.lock(paths, record))
        running = {record.id: record for record in containers if settled(paths, record).status == "running"}
        for record in running.values():
            wake(paths, record)
            send(paths, record, signal_name or manner(paths, record)[0])
        left = tuple(running.values())
        for limit, group in _by_patience(left, timeout):
            left = _wait(paths, group, limit)
            for record in left:
                send(paths, record, "SIGKILL")
        _settle(paths, tuple(running.values()))
    return tuple(record.name for record in running.values())


def manner(paths: Paths, record: Record) -> tuple[str, float]:
    """The signal that asks this container to end, and the seconds that it has to do so."""
    return record.spec.stop_signal or image_signal(paths, record), _grace(record)


def _grace(record: Record) -> float:
    return _GRACE if record.spec.stop_timeout is None else record.spec.stop_timeout


def image_signal(paths: Paths, record: Record) -> str:
    """The image's STOPSIGNAL, or SIGTERM."""
    try:
        return str(resolve(paths, record.image_digest).config.get("StopSignal") or "SIGTERM")
    except NotFound:
        return "SIGTERM"


def kill(paths: Paths, record: Record) -> None:
    """SIGKILL, and wait until everything is released. The caller holds the container's lock."""
    wake(paths, record)
    send(paths, record, "SIGKILL")
    _settle(paths, (record,))


def _by_patience(records: tuple[Record, ...], timeout: float | None) -> list[tuple[float, tuple[Record, ...]]]:
    """One wait per distinct time-out, the shortest first; each is counted from the end of the one before."""
    patience: dict[float, list[Record]] = {}
    for record in records:
        limit = _grace(record) if timeout is None else timeout
        patience.setdefault(limit, []).append(record)
    waits, passed = [], 0.0
    for limit in sorted(patience):
        waits.append((limit - passed, tuple(patience[limit])))
        passed = limit
    return waits


def _wait(paths: Paths, records: tuple[Record, ...], patience: float) -> tuple[Record, ...]:
    pids = {now.pid: record for record in records if (now := record.state(paths)).status == "running"}
    return tuple(pids[pid] for pid in wait_for_end(tuple(pids), patience))


def _settle(paths: Paths, records: tuple[Record, ...]) -> None:
    """Wait for first processes and their supervisors; do the work of a supervisor that is not there."""
    first = _wait(paths, records, _AFTER_KILL)
    if first:
        raise EngineError(f"container {first[0].name} does not end: its process hangs in the kernel")
    keepers = tuple(pid for record in records if (pid := state.supervisor_of(paths.container_run(record.id))))
    wait_for_end(keepers, _AFTER_KILL)
    for record in records:
        bury(paths, record)
