# SPDX-License-Identifier: GPL-3.0-or-later
"""Scopes from systemd: asked over the manager's own socket (org.freedesktop.systemd1(5)), which needs no bus daemon."""

from __future__ import annotations

import os
import time

from ..errors import Conflict, EngineError
from ..kernel import dbus, process, signals
from . import scopes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..kernel.sockets import Socket

_MANAGER = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_EXISTS = "org.freedesktop.systemd1.UnitExists"
# A stop is the supervisor's business, which listens for it: by default nobody else minds this signal (signal(7)).
STOP_SIGNAL = signals.SIGURG
# What a supervisor may take beyond the container's own stop_timeout.
_MARGIN = 15.0
_PATIENCE = 20.0
# How long a unit of the same name may take to go.
_LEAVING = 2.0


class Holder:
    """A process that does nothing in a group: an empty scope is gone at once. It ends with the block, or with its maker."""

    __slots__ = ("pid",)

    def __init__(self, group_fd: int = -1) -> None:
        maker = os.getpid()
        self.pid = process.clone(0, group_fd)
        if self.pid == 0:
            process.die_with_parent(maker)
            process.close_from(0)
            while True:
                time.sleep(3600)

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *_unused: object) -> None:
        os.kill(self.pid, signals.SIGKILL)
        os.waitpid(self.pid, 0)


def open_scope(scope: str, title: str, stop_timeout: float) -> Holder:
    """Make `scope`, and the supervisor's group in it; it lasts while the holder or anybody else is there.

    EngineError, naming the scope, when the manager refuses or takes too long. A scope that is there already is used.
    """
    farewell = int((stop_timeout + _MARGIN) * 1_000_000)
    with Holder() as first:
        _move(scope, title, first.pid, (("KillSignal", ("i", STOP_SIGNAL)), ("TimeoutStopUSec", ("t", farewell))))
        return _held(scope)


def open_foreign(scope: str, title: str) -> Holder:
    """The same for a container without a supervisor, whose processes the manager is to stop as it stops any.

    Conflict when there is such a scope already and it stays.
    """
    with Holder() as first:
        _move(scope, title, first.pid, (), shared=False)
        return _held(scope)


def _held(scope: str) -> Holder:
    home = scopes.supervisors(scope)
    os.makedirs(home, exist_ok=True)
    group = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return Holder(group)
    finally:
        os.close(group)


def close_scope(scope: str) -> None:
    """Return when `scope` is gone, which it is soon after its last process; what else is in it is stopped. Idempotent."""
    if _is_gone(scope, 1.0) or not scopes.managed():
        return
    unit = scope.rpartition("/")[2]
    with _manager() as manager:
        _ask(manager, "StopUnit", "ss", (unit, "replace"))
    if not _is_gone(scope, _PATIENCE):
        raise EngineError(f"systemd does not stop {unit}: systemctl status {unit} may tell why")


def _is_gone(scope: str, patience: float) -> bool:
    end = time.monotonic() + patience
    while os.path.isdir(scopes.directory(scope)):
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def close_slice(owner: str) -> None:
    """Let go of OWNER.slice, which stays behind when the last of its scopes is gone. Idempotent."""
    if scopes.managed():
        with _manager() as manager:
            _ask(manager, "StopUnit", "ss", (f"{owner}.slice", "replace"))


def _move(scope: str, title: str, pid: int, more: tuple[tuple[str, object], ...], *, shared: bool = True) -> None:
    """Let process `pid` be in the scope, which is made when it is not there; returns when it is in.

    Conflict for one that is there and not to be `shared`, and is not about to go.
    """
    slices, _unused, unit = scope.rpartition("/")
    begun = time.monotonic()
    properties = [
        ("Description", ("s", title)),
        ("Slice", ("s", slices.rpartition("/")[2] or scopes.ROOT_SLICE)),
        ("CollectMode", ("s", "inactive-or-failed")),
        ("PIDs", ("au", [pid])),
        ("Delegate", ("b", True)),
        *more,
    ]
    with _manager() as manager:
        while not _is_in(pid, unit):
            if time.monotonic() > begun + _PATIENCE:
                raise EngineError(f"systemd does not make {unit}: systemctl status {unit} may tell why")
            refusal = _ask(manager, "StartTransientUnit", "ssa(sv)a(sa(sv))", (unit, "fail", properties, []))
            if refusal and _EXISTS not in refusal:
                raise EngineError(f"systemd refuses to make {unit}: {refusal}")
            if refusal and not shared and time.monotonic() > begun + _LEAVING:
                raise Conflict(f"systemd has a unit {unit} already: remove what is in it, or choose another name")
            if refusal and not (shared and _join(manager, unit, pid)):
                time.sleep(0.01)  # it is on its way out
            else:
                _await(pid, unit, begun + _PATIENCE, soon=shared)


def _join(manager: Socket, unit: str, pid: int) -> bool:
    return not _ask(manager, "AttachProcessesToUnit", "ssau", (unit, "/supervisor", [pid]))


def _manager() -> Socket:
    return dbus.connect(scopes.SOCKET, patience=_PATIENCE)


def _ask(manager: Socket, method: str, signature: str, values: tuple[Any, ...]) -> str:
    """Call a method of the manager; what it says against it, "" for nothing."""
    try:
        dbus.call(manager, *_MANAGER, method, signature, values)
    except dbus.CallFailed as error:
        return str(error)
    return ""


def _await(pid: int, unit: str, end: float, *, soon: bool) -> None:
    """The manager answers before the job is done; where a unit may be going, a second is long enough to ask again."""
    if soon:
        end = min(time.monotonic() + 1, end)
    while not _is_in(pid, unit) and time.monotonic() < end:
        time.sleep(0.001)


def _is_in(pid: int, unit: str) -> bool:
    with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        return any(unit in line.rstrip("\n").split("/") for line in file)
