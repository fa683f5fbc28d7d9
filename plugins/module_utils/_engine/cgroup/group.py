# SPDX-License-Identifier: GPL-3.0-or-later
"""One container's group in every hierarchy: made, limited, changed live, frozen, killed, removed. Joining is left to who starts.

A group is named by `parent` and `name`, a path below every hierarchy's mount point: berth/ID, or the two halves of a
foreign container's cgroupsPath (`parent` may be "" and may have slashes). Nothing here asks whose it is.
"""

from __future__ import annotations

import errno
import os
import time

from ..errors import EngineError, InvalidSpec, Unsupported
from . import resources as _resources
from .hierarchy import Hierarchy
from .places import below, directories
from .writing import Write, changes, perform, put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What every group of ours has on version 2, so that its use is counted; others are handed down when they are asked for.
_COUNTED = ("cpu", "io", "memory", "pids")
_SIGKILL = 9


def create(hierarchy: Hierarchy, parent: str, name: str, resources: dict[str, Any]) -> tuple[str, ...]:
    """Make the group everywhere and set `resources` (`linux.resources` of config.json); returns its directories. Idempotent.

    Controllers that this host lacks are passed over: `resources.check` tells before. Otherwise Unsupported, InvalidSpec
    and Conflict as `writing.perform` has them; what was made by then is for the caller to remove.
    """
    made = directories(hierarchy, parent, name)
    _delegate(hierarchy, parent, resources)
    for directory in made:
        os.makedirs(directory, exist_ok=True)
    if "cpuset" in hierarchy.v1:
        _fill_cpuset(hierarchy.v1["cpuset"], parent, name)
    _apply(hierarchy, parent, name, {}, resources)
    return made


def update(
    hierarchy: Hierarchy, parent: str, name: str, resources: dict[str, Any], before: dict[str, Any] | None = None
) -> None:
    """Change the resources of a group whose processes run. What `before` says and `resources` does not is lifted.

    Conflict for a memory limit below what is in use. When one value is refused, those before it have been written.
    """
    _check_memory(hierarchy, parent, name, resources)
    _delegate(hierarchy, parent, resources)
    _apply(hierarchy, parent, name, before or {}, resources)


def remove(directories: tuple[str, ...], *, patience: float = 2.0) -> None:
    """Remove the group and what was made inside it; the last processes may take a moment to leave. Idempotent."""
    end = time.monotonic() + patience
    for directory in directories:
        while not _remove_tree(directory):
            if time.monotonic() > end:
                raise EngineError(f"cgroup {directory} still has processes: stop them and remove the container again")
            time.sleep(0.002)


def freeze(hierarchy: Hierarchy, parent: str, name: str, *, frozen: bool, patience: float = 10.0) -> None:
    """Stop every process of the group, or let them go on; returns when the kernel says that it is so. Idempotent."""
    if "freezer" in hierarchy.v1:
        home = f"{hierarchy.v1['freezer']}/{below(parent, name)}"
        put(f"{home}/freezer.state", "FROZEN" if frozen else "THAWED")
        _await(f"{home}/freezer.state", "FROZEN" if frozen else "THAWED", name, patience)
    elif hierarchy.v2:
        home = f"{hierarchy.v2}/{below(parent, name)}"
        put(f"{home}/cgroup.freeze", str(int(frozen)))
        _await(f"{home}/cgroup.events", f"frozen {int(frozen)}", name, patience)
    else:
        raise Unsupported("this kernel has no cgroup freezer: commit with pause: false, or stop the container first")


def is_frozen(hierarchy: Hierarchy, parent: str, name: str) -> bool:
    """Whether the group stands still, or is about to."""
    if "freezer" in hierarchy.v1:
        path, moving = f"{hierarchy.v1['freezer']}/{below(parent, name)}/freezer.state", "THAWED"
    else:
        path, moving = f"{hierarchy.v2}/{below(parent, name)}/cgroup.freeze", "0"
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip() != moving
    except FileNotFoundError:
        return False


def pids(hierarchy: Hierarchy, parent: str, name: str) -> tuple[int, ...]:
    """Every process of the group and of those below it, as this process numbers them; () when there is no group."""
    found: set[int] = set()
    for top in directories(hierarchy, parent, name)[-1:]:
        for directory, _below, _files in os.walk(top):
            try:
                with open(f"{directory}/cgroup.procs", encoding="utf-8") as file:
                    found.update(map(int, file))
            except OSError:
                continue  # it was removed meanwhile, or holds threads only: their process is listed above
    return tuple(sorted(found - {0}))


def kill(hierarchy: Hierarchy, parent: str, name: str, *, patience: float = 10.0) -> None:
    """SIGKILL every process of the group and of those below it, also of a frozen one, and wait until all are gone. Idempotent.

    Nobody escapes by forking: cgroup.kill (Linux 5.14) is one step, and before it the group is asked again until it is empty.
    """
    end, at_once = time.monotonic() + patience, f"{hierarchy.v2}/{below(parent, name)}/cgroup.kill"
    while left := pids(hierarchy, parent, name):
        try:
            if not hierarchy.v2:
                raise FileNotFoundError
            put(at_once, "1")
        except FileNotFoundError:
            for pid in left:
                _kill_one(pid)
        if is_frozen(hierarchy, parent, name):
            freeze(hierarchy, parent, name, frozen=False, patience=patience)
        if time.monotonic() > end:
            raise EngineError(f"cgroup {name}: process {left[0]} does not end: it hangs in the kernel")
        time.sleep(0.002)


def _kill_one(pid: int) -> None:
    try:
        os.kill(pid, _SIGKILL)
    except ProcessLookupError:
        return


def _await(path: str, line: str, name: str, patience: float) -> None:
    end = time.monotonic() + patience
    while True:
        with open(path, encoding="utf-8") as file:
            if line in file.read().splitlines():
                return
        if time.monotonic() > end:
            raise EngineError(f"cgroup {name} does not come to {line}: a process hangs in the kernel")
        time.sleep(0.001)


def was_oom_killed(hierarchy: Hierarchy, parent: str, name: str) -> bool:
    """Whether the kernel has killed a process of this group for lack of memory."""
    if "memory" in hierarchy.v1:
        path = f"{hierarchy.v1['memory']}/{below(parent, name)}/memory.oom_control"
    else:
        path = f"{hierarchy.v2}/{below(parent, name)}/memory.events"
    try:
        with open(path, encoding="utf-8") as file:
            return any(line.split()[0] == "oom_kill" and line.split()[1] != "0" for line in file)
    except FileNotFoundError:
        return False


def _apply(hierarchy: Hierarchy, parent: str, name: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    place = below(parent, name)
    for old, new in _resources.CONTROLLERS:
        point = _resources.place(hierarchy, old, new)
        if point is None:
            continue
        v2 = old not in hierarchy.v1
        was, wanted = (_resources.writes(item, new if v2 else old, v2=v2) for item in (before, after))
        late = []
        for write in changes(was, wanted):
            if write.option == "cpu.realtimeRuntime":
                _lend_realtime(point, parent, write)
            try:
                perform(f"{point}/{place}", write)
            except InvalidSpec:
                # A runtime is never above its period: which of them goes first depends on what they were.
                if write.option != "cpu.realtimePeriod":
                    raise
                late.append(write)
        for write in late:
            perform(f"{point}/{place}", write)
    if hierarchy.v2 and after.get("unified"):
        for write in _resources.writes(after, "cgroup", v2=True):
            perform(f"{hierarchy.v2}/{place}", write)
    if after.get("devices") != before.get("devices"):
        from . import restrict

        restrict.devices(hierarchy, place, after.get("devices") or (), fresh=not before)


def _check_memory(hierarchy: Hierarchy, parent: str, name: str, resources: dict[str, Any]) -> None:
    """On version 2 a limit below what is in use is taken, and somebody is killed for it: `checkBeforeUpdate` asks first."""
    asked = resources.get("memory") or {}
    limit = asked.get("limit")
    if not asked.get("checkBeforeUpdate") or not limit or limit < 0 or "memory" not in hierarchy.v2_controllers:
        return
    with open(f"{hierarchy.v2}/{below(parent, name)}/memory.current", encoding="utf-8") as file:
        used = int(file.read())
    if used > limit:
        from ..errors import Conflict

        raise Conflict(
            f"memory.limit: the container uses {used} bytes, more than {limit}: give more, or end what uses it"
        )


def _delegate(hierarchy: Hierarchy, parent: str, resources: dict[str, Any]) -> None:
    """On version 2 a group has a controller only when every group above hands it down."""
    wanted = [
        new
        for old, new in _resources.CONTROLLERS
        if new in hierarchy.v2_controllers
        and old not in hierarchy.v1
        and (new in _COUNTED or _resources.writes(resources, new, v2=True))
    ]
    if not wanted:
        return
    above = hierarchy.v2
    for part in ("", *filter(None, parent.split("/"))):
        above = f"{above}/{part}" if part else above
        os.makedirs(above, exist_ok=True)
        _hand_down(above, wanted)


def _hand_down(directory: str, wanted: list[str]) -> None:
    path = f"{directory}/cgroup.subtree_control"
    with open(path, encoding="utf-8") as file:
        there = file.read().split()
    missing = [name for name in wanted if name not in there and f"+{name}" not in there]
    if missing:
        put(path, " ".join(f"+{name}" for name in missing))


def _fill_cpuset(point: str, parent: str, name: str) -> None:
    """A new version 1 cpuset is empty and takes no process until it has CPUs and memory nodes (cpuset(7))."""
    above = directory = point
    for part in below(parent, name).split("/"):
        directory = f"{directory}/{part}"
        for file in ("cpuset.cpus", "cpuset.mems"):
            with open(f"{directory}/{file}", encoding="utf-8") as current:
                if current.read().strip():
                    continue
            with open(f"{above}/{file}", encoding="utf-8") as source:
                put(f"{directory}/{file}", source.read().strip())
        above = directory


def _lend_realtime(point: str, parent: str, write: Write) -> None:
    """A group may have no more real-time than the one above it, and new ones have none (sched-rt-group.rst)."""
    directory, wanted = point, int(write.tries[0][1])
    for part in filter(None, parent.split("/")):
        directory = f"{directory}/{part}"
        with open(f"{directory}/cpu.rt_runtime_us", encoding="utf-8") as file:
            if int(file.read()) < wanted:
                perform(directory, write)


def _remove_tree(directory: str) -> bool:
    """One try; False while something inside is still alive."""
    try:
        children = [entry.path for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False)]
        left = [child for child in children if not _remove_tree(child)]
        if left:
            return False
        os.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True
