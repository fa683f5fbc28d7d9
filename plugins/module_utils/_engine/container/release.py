# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving back what a container held: at its end, at its removal, and when whoever should have done it was killed."""

from __future__ import annotations

import os
import time

from ..cgroup import group, hierarchy, places
from ..errors import Busy, Conflict, NotFound
from ..locks import DirectoryLock
from ..network import modes
from ..paths import Paths
from ..runtime import state
from ..security import idranges
from ..storage.staging import remove_tree
from . import record as records
from .record import Record
from .spec import shares

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..runtime.state import State

_KILLED = 137
_PATIENCE, _LOOK = 30.0, 0.1


def release(paths: Paths, record: Record, *, ended: bool = False) -> bool:
    """Give back what a start took: network, cgroup. Tells whether the kernel killed a process for lack of memory. Idempotent.

    With `ended` the processes are known to be gone, and the kernel is left to take down the link that went with them.
    """
    if record.spec.network_mode == modes.BRIDGE:
        from ..network import attach  # a third of the imports of a start, for nothing where there is no bridge

        attach.release(paths, record.id, ended=ended)
    if shares(record.spec):
        from . import sharing

        sharing.give_back(paths, record)
    here, parent = hierarchy.mounted(), record.group(paths)
    if record.spec.pid_mode != "private":
        # No process namespace of its own ends with its first process.
        group.kill(here, parent, record.id)
    killed = group.was_oom_killed(here, parent, record.id)
    group.remove(places.directories(here, parent, record.id))
    return killed


def discard(paths: Paths, record: Record) -> None:
    """Take the container out of the world and delete its files. The caller knows that it does not run. Idempotent."""
    delete(withdraw(paths, record))


def withdraw(paths: Paths, record: Record) -> str:
    """Take the container out of the world: the directory that is left to delete, "" when it was gone already."""
    try:
        trash = records.withdraw(paths, record)
    except FileNotFoundError:
        return ""
    if record.id_start is not None:
        idranges.unshare(paths, record.id_start, record.id)
        idranges.release(paths, record.id, record.id_start)
    return trash


def delete(trash: str) -> None:
    """Delete what `withdraw` left. Idempotent."""
    if not trash:
        return
    above = os.open(os.path.dirname(trash), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove_tree(above, os.path.basename(trash).encode())
    finally:
        os.close(above)


def claim(paths: Paths, record: Record) -> DirectoryLock:
    """The lock that a supervisor holds while it lives, taken. Waits for one that is about to end; makes the run-time directory.

    Conflict when that one does not end, because the start it was about has succeeded after its command was killed.
    """
    run, end = paths.container_run(record.id), time.monotonic() + _PATIENCE
    while True:
        try:
            os.makedirs(run, mode=0o700)
        except FileExistsError:
            # Whether it still is there the lock will tell: exist_ok would look for itself, and fail when it went meanwhile.
            pass
        lock = DirectoryLock(run, f"the supervisor of container {record.name}", patience=_LOOK)
        try:
            lock.acquire()
        except NotFound:
            continue
        except Busy:
            if record.state(paths).status == "running":
                raise Conflict(f"container {record.name} runs already") from None
            if time.monotonic() > end:
                raise
            continue
        return lock


def settled(paths: Paths, record: Record) -> State:
    """The container's state once no half-made start is left: either it runs, or that start was taken back. The caller holds its lock."""
    now = record.state(paths)
    if now.status == "running":
        return now
    bury(paths, record)
    return record.state(paths)


def bury(paths: Paths, record: Record) -> None:
    """Finish what a command or a supervisor that was killed had begun: release, and record an end that nobody saw.

    For a container that does not run; the caller holds its lock. Idempotent, and nothing to do in the usual case.
    """
    run = paths.container_run(record.id)
    if not os.path.isdir(run):
        return
    try:
        held = claim(paths, record)
    except Conflict:
        return
    with held:
        now = record.state(paths)
        if now.status == "running":
            return
        killed = release(paths, record)
        if record.spec.network_mode == modes.BRIDGE:
            from ..network import attach

            attach.sweep(paths, record.id)
        if now.unseen:
            fields = {
                "exit_code": _KILLED, "started_at": now.started_at, "finished_at": time.time(), "oom_killed": killed,
                "error": now.error,
            }  # fmt: skip
            state.write_exited(paths.container(record.id), fields)
        state.forget(run)
