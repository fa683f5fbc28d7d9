# SPDX-License-Identifier: GPL-3.0-or-later
"""Where systemd runs the host it owns the hierarchy: each container gets a delegated scope below a slice of ours.

The manager is asked over its own socket (org.freedesktop.systemd1(5), StartTransientUnit), which needs no bus daemon. In
the scope are two groups, since only leaves may hold processes: `container`, with the limits, and `supervisor`.
"""

from __future__ import annotations

import os
import time

from ..errors import EngineError
from ..kernel import dbus, process, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.sockets import Socket
    from .hierarchy import Hierarchy

_BOOTED = "/run/systemd/system"  # sd_booted(3)
_SOCKET = "/run/systemd/private"
_MANAGER = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_EXISTS = "org.freedesktop.systemd1.UnitExists"
# A stop is the supervisor's business, which listens for it: by default nobody else minds this signal (signal(7)).
STOP_SIGNAL = signals.SIGURG
# What a supervisor may take beyond the container's own stop_timeout.
_MARGIN = 15.0
_PATIENCE = 20.0


def managed(hierarchy: Hierarchy) -> bool:
    """Whether systemd is process 1 here and delegates: on version 2 alone, where a group can't be beside its hierarchy."""
    return bool(hierarchy.v2) and not hierarchy.v1 and os.path.isdir(_BOOTED) and os.path.exists(_SOCKET)


def scope_of(parent: str, ident: str) -> str:
    """The directory, below the mount point, of the scope of container `ident` of `parent`.

    A dash in a slice's name is a level (systemd.slice(5)): berth-1a2b.slice lies in berth.slice.
    """
    parts = parent.split("-")
    slices = "/".join("-".join(parts[: count + 1]) + ".slice" for count in range(len(parts)))
    return f"{slices}/{unit_of(parent, ident)}"


def unit_of(parent: str, ident: str) -> str:
    """The name of that scope, as systemctl knows it."""
    return f"{parent}-{ident}.scope"


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


def open_scope(hierarchy: Hierarchy, parent: str, ident: str, title: str, stop_timeout: float) -> Holder:
    """Make the scope of a container, with the group `supervisor` in it; it lasts while the holder or anybody else is there.

    EngineError, naming the scope, when the manager refuses or takes too long. A scope that is there already is used.
    """
    home = f"{hierarchy.v2}/{scope_of(parent, ident)}/supervisor"
    with Holder() as first:
        _move(parent, ident, title, first.pid, int((stop_timeout + _MARGIN) * 1_000_000))
        os.makedirs(home, exist_ok=True)
        group = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return Holder(group)
        finally:
            os.close(group)


def _move(parent: str, ident: str, title: str, pid: int, farewell: int) -> None:
    """Let process `pid` be in the scope, which is made when it is not there; returns when it is in."""
    unit, end = unit_of(parent, ident), time.monotonic() + _PATIENCE
    properties = [
        ("Description", ("s", title)),
        ("Slice", ("s", f"{parent}.slice")),
        ("CollectMode", ("s", "inactive-or-failed")),
        ("PIDs", ("au", [pid])),
        ("Delegate", ("b", True)),
        ("KillSignal", ("i", STOP_SIGNAL)),
        ("TimeoutStopUSec", ("t", farewell)),
    ]
    with dbus.connect(_SOCKET, patience=_PATIENCE) as manager:
        while not _is_in(pid, unit):
            if time.monotonic() > end:
                raise EngineError(f"systemd does not make {unit}: systemctl status {unit} may tell why")
            try:
                dbus.call(manager, *_MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", (unit, "fail", properties, []))
            except dbus.CallFailed as error:
                if error.name != _EXISTS:
                    raise EngineError(f"systemd refuses to make {unit}: {error}") from error
                _attach(manager, unit, pid)
            _await(pid, unit, end)


def _attach(manager: Socket, unit: str, pid: int) -> None:
    """Into a scope that is there; it may be on its way out, and then making it is tried again."""
    try:
        dbus.call(manager, *_MANAGER, "AttachProcessesToUnit", "ssau", (unit, "/supervisor", [pid]))
    except dbus.CallFailed:
        time.sleep(0.01)


def _await(pid: int, unit: str, end: float) -> None:
    """The manager answers before the job is done; a second is long enough to ask again."""
    soon = min(time.monotonic() + 1, end)
    while not _is_in(pid, unit) and time.monotonic() < soon:
        time.sleep(0.001)


def _is_in(pid: int, unit: str) -> bool:
    with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        return any(unit in line.rstrip("\n").split("/") for line in file)
