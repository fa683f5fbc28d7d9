# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals, the end of a container's processes, and taking away what it was made of."""

from __future__ import annotations

import os
import time

from ..errors import Busy, Conflict, EngineError
from ..kernel import mounts, proc, process, signals
from ..runtime import foreign_hooks
from . import config as configs
from . import groups
from .store import Home, Known, state_of, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE = 10.0


def kill(root: str, ident: str, number: int, *, everybody: bool) -> None:
    """Send a signal to the container's process, or to every process of its group. Conflict when it is neither created nor running.

    Without a pid namespace of its own KILL goes to every process as well: the others would outlive the first.
    """
    home = Home(root, ident)
    known = home.read()
    word = status(home, known)
    if everybody or (number == signals.SIGKILL and _shares_pids(home, known) and groups.processes(known.place)):
        return _signal_all(known, number)
    if word == "stopped":
        raise Conflict(f"container not running: {ident} is {word}")
    if known.pid:
        _signal(known.pid, known.started, number)
        if number == signals.SIGKILL:
            _thaw(known)
    return None


def _shares_pids(home: Home, known: Known) -> bool:
    config = configs.reread(home.config(), known.bundle, known.rootfs)
    kinds = config.linux.get("namespaces") or ()
    return not any(entry["type"] == "pid" and not entry.get("path") for entry in kinds)


def _signal(pid: int, started: int, number: int) -> None:
    """Through a descriptor, so that a pid that was given away meanwhile is not hit."""
    try:
        pidfd = process.open_pidfd(pid)
    except EngineError:
        return
    try:
        if proc.is_alive(pid, started):
            process.send_signal(pidfd, number)
    finally:
        os.close(pidfd)


def _signal_all(known: Known, number: int) -> None:
    if number == signals.SIGKILL:
        return groups.kill(known.place)
    for pid in groups.processes(known.place):
        _signal(pid, proc.start_time(pid), number)
    return None


def _thaw(known: Known) -> None:
    """A frozen process dies only when it is let go on."""
    if groups.is_frozen(known.place):
        groups.freeze(known.place, frozen=False)


def end(known: Known) -> None:
    """Kill everything that is in the container. An error when a process hangs in the kernel."""
    if known.pid:
        _signal(known.pid, known.started, signals.SIGKILL)
        groups.let_go(known.pid)
    groups.kill(known.place)
    until = time.monotonic() + _PATIENCE
    # It may have been put into another group.
    while proc.is_alive(known.pid, known.started) and not _is_leaving(known.pid):
        if time.monotonic() > until:
            raise Busy("the container's process hangs in the kernel, and can't be killed")
        time.sleep(0.002)


def _is_leaving(pid: int) -> bool:
    """Whether it is past its last instruction (PF_EXITING): the first process of a pid namespace waits there for others' parents."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return bool(int(file.read().rpartition(b")")[2].split()[6]) & 0x4)
    except (FileNotFoundError, ProcessLookupError):
        return True


def delete(root: str, ident: str, warn: Callable[[str], object], *, force: bool) -> None:
    """Undo what `create` did, and run the poststop hooks. Conflict unless the container is stopped; `force` kills it first.

    With `force` a container that is not there is no error. `warn` is told of hooks that fail.
    """
    home = Home(root, ident)
    try:
        with home:
            known = home.read()
            word = status(home, known)
            if word != "stopped" and not force:
                raise Conflict(f"cannot delete container {ident} that is not stopped: it is {word}")
            destroy(home, known, warn)
    except EngineError as error:
        if not force or not str(error).endswith("does not exist"):
            raise


def destroy(home: Home, known: Known, warn: Callable[[str], object]) -> None:
    """The steps 12 and 13 of the lifecycle (runtime.md)."""
    end(known)
    groups.remove(known.made, known.scope)
    for point in known.mounts:
        mounts.unmount(point, mounts.MNT_DETACH | mounts.UMOUNT_NOFOLLOW)
    hooks = configs.reread(home.config(), known.bundle, known.rootfs).hooks("poststop")
    home.forget()
    for number, hook in enumerate(hooks):
        try:
            foreign_hooks.run(
                f"poststop hook #{number}", hook, state_of(home.ident, known, "stopped"), _there(known.bundle)
            )
        except EngineError as error:
            warn(str(error))


def _there(path: str) -> str:
    return path if os.path.isdir(path) else "/"
