# SPDX-License-Identifier: GPL-3.0-or-later
"""One container's group in every hierarchy: made, limited, counted and removed. Joining is left to who starts processes."""

from __future__ import annotations

import errno
import os
import time

from ..errors import EngineError, KernelError, Unsupported
from . import limits as _limits
from .hierarchy import Hierarchy
from .limits import Limits

CONTROLLERS = ("cpu", "memory", "pids")
# Files that a kernel built without swap accounting does not have; the limit without them is still a limit.
_OPTIONAL = ("memory.memsw.limit_in_bytes", "memory.swap.max")


def directories(hierarchy: Hierarchy, parent: str, name: str) -> tuple[str, ...]:
    """The group's directory in each hierarchy."""
    return tuple(f"{point}/{parent}/{name}" for point in hierarchy.mount_points())


def create(hierarchy: Hierarchy, parent: str, name: str, limits: Limits) -> tuple[str, ...]:
    """Make the group everywhere and set its limits; returns its directories. Idempotent."""
    made = directories(hierarchy, parent, name)
    _delegate(hierarchy, parent)
    for directory in made:
        os.makedirs(directory, exist_ok=True)
    if "cpuset" in hierarchy.v1:
        _inherit_cpuset(hierarchy.v1["cpuset"], parent, name)
    apply(hierarchy, parent, name, limits)
    return made


def shelter(hierarchy: Hierarchy, parent: str) -> tuple[str, ...]:
    """The groups in which supervisors live: a leaf beside the containers, without limits of its own. Idempotent."""
    return create(hierarchy, parent, "supervisors", Limits())


def birthplace(hierarchy: Hierarchy, directories: tuple[str, ...]) -> str:
    """The one of a group's directories that a process can be born in (clone3(2), CLONE_INTO_CGROUP, Linux 5.7), "" for none."""
    major, minor = (int("".join(filter(str.isdigit, part)) or 0) for part in os.uname().release.split(".")[:2])
    if not hierarchy.v2 or (major, minor) < (5, 7):
        return ""
    return next(path for path in directories if path.startswith(hierarchy.v2 + "/"))


def apply(hierarchy: Hierarchy, parent: str, name: str, limits: Limits) -> None:
    """Set the limits of a group that exists, also while it runs."""
    for controller in CONTROLLERS:
        v2 = controller not in hierarchy.v1
        if v2 and controller not in hierarchy.v2_controllers:
            continue
        home = f"{hierarchy.v2 if v2 else hierarchy.v1[controller]}/{parent}/{name}"
        for file, value in _limits.writes(limits, controller, v2=v2):
            _write(f"{home}/{file}", value, optional=file in _OPTIONAL)


def remove(directories: tuple[str, ...], *, patience: float = 2.0) -> None:
    """Remove the group and what was made inside it; the last processes may take a moment to leave. Idempotent."""
    end = time.monotonic() + patience
    for directory in directories:
        while not _remove_tree(directory):
            if time.monotonic() > end:
                raise EngineError(f"cgroup {directory} still has processes: stop them and remove the container again")
            time.sleep(0.002)


def freeze(hierarchy: Hierarchy, parent: str, name: str, *, frozen: bool, patience: float = 10.0) -> None:
    """Stop every process of the group, or let them go on; returns when the kernel says that it is so."""
    if "freezer" in hierarchy.v1:
        home = f"{hierarchy.v1['freezer']}/{parent}/{name}"
        _write(f"{home}/freezer.state", "FROZEN" if frozen else "THAWED", optional=False)
        _await(f"{home}/freezer.state", "FROZEN" if frozen else "THAWED", name, patience)
    elif hierarchy.v2:
        home = f"{hierarchy.v2}/{parent}/{name}"
        _write(f"{home}/cgroup.freeze", str(int(frozen)), optional=False)
        _await(f"{home}/cgroup.events", f"frozen {int(frozen)}", name, patience)
    else:
        raise Unsupported("this kernel has no cgroup freezer: commit with pause: false, or stop the container first")


def is_frozen(hierarchy: Hierarchy, parent: str, name: str) -> bool:
    """Whether the group stands still, or is about to."""
    if "freezer" in hierarchy.v1:
        path, moving = f"{hierarchy.v1['freezer']}/{parent}/{name}/freezer.state", "THAWED"
    else:
        path, moving = f"{hierarchy.v2}/{parent}/{name}/cgroup.freeze", "0"
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip() != moving
    except FileNotFoundError:
        return False


def _await(path: str, line: str, name: str, patience: float) -> None:
    end = time.monotonic() + patience
    while True:
        with open(path, encoding="ascii") as file:
            if line in file.read().splitlines():
                return
        if time.monotonic() > end:
            raise EngineError(f"cgroup {name} does not come to {line}: a process hangs in the kernel")
        time.sleep(0.001)


def was_oom_killed(hierarchy: Hierarchy, parent: str, name: str) -> bool:
    """Whether the kernel has killed a process of this group for lack of memory."""
    if "memory" in hierarchy.v1:
        path, key = f"{hierarchy.v1['memory']}/{parent}/{name}/memory.oom_control", "oom_kill"
    else:
        path, key = f"{hierarchy.v2}/{parent}/{name}/memory.events", "oom_kill"
    try:
        with open(path, encoding="ascii") as file:
            return any(line.split()[0] == key and line.split()[1] != "0" for line in file)
    except FileNotFoundError:
        return False


def _delegate(hierarchy: Hierarchy, parent: str) -> None:
    """On version 2 a group has a controller only when every group above hands it down."""
    if not hierarchy.v2_controllers:
        return
    wanted = " ".join(f"+{name}" for name in CONTROLLERS if name in hierarchy.v2_controllers)
    os.makedirs(f"{hierarchy.v2}/{parent}", exist_ok=True)
    for directory in (hierarchy.v2, f"{hierarchy.v2}/{parent}"):
        _write(f"{directory}/cgroup.subtree_control", wanted, optional=False)


def _inherit_cpuset(point: str, parent: str, name: str) -> None:
    """A new version 1 cpuset is empty and takes no process until it has CPUs and memory nodes (cpuset(7))."""
    above = point
    for directory in (f"{point}/{parent}", f"{point}/{parent}/{name}"):
        for file in ("cpuset.cpus", "cpuset.mems"):
            with open(f"{directory}/{file}", encoding="ascii") as current:
                if current.read().strip():
                    continue
            with open(f"{above}/{file}", encoding="ascii") as source:
                _write(f"{directory}/{file}", source.read().strip(), optional=False)
        above = directory


def _write(path: str, value: str, *, optional: bool) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        if optional:
            return
        raise
    try:
        os.write(descriptor, value.encode())
    except OSError as error:
        raise KernelError("write", f"{value} to {path}", error.errno or 0) from error
    finally:
        os.close(descriptor)


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
