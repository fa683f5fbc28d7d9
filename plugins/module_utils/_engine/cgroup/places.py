# SPDX-License-Identifier: GPL-3.0-or-later
"""Where groups lie: all that is needed before one is made, and little to import."""

from __future__ import annotations

import os

from .hierarchy import Hierarchy


def directories(hierarchy: Hierarchy, parent: str, name: str) -> tuple[str, ...]:
    """The group's directory in each hierarchy."""
    return tuple(f"{point}/{below(parent, name)}" for point in hierarchy.mount_points())


def below(parent: str, name: str) -> str:
    """The group's path, without a slash in front."""
    return f"{parent}/{name}".lstrip("/")


def birthplace(hierarchy: Hierarchy, directories: tuple[str, ...]) -> str:
    """The one of a group's directories that a process can be born in (clone3(2), CLONE_INTO_CGROUP, Linux 5.7), "" for none."""
    major, minor = (int("".join(filter(str.isdigit, part)) or 0) for part in os.uname().release.split(".")[:2])
    if not hierarchy.v2 or (major, minor) < (5, 7):
        return ""
    return next(path for path in directories if path.startswith(hierarchy.v2 + "/"))


def inhabited(hierarchy: Hierarchy, directories: tuple[str, ...], pid: int) -> tuple[str, ...]:
    """`directories`, with the place of process `pid` for the unified one when its controllers are given to groups below it.

    No process may be in such a one (cgroups(7), no internal processes): a container that runs a manager of groups makes it so.
    """
    own = next((path for path in directories if hierarchy.v2 and path.startswith(f"{hierarchy.v2}/")), "")
    try:
        with open(f"{own}/cgroup.subtree_control", encoding="ascii") as file:
            if not own or not file.read().strip():
                return directories
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            place = next((line[len("0::") :].rstrip("\n") for line in file if line.startswith("0::")), "")
    except OSError:
        return directories
    there = f"{hierarchy.v2}{place}"
    return tuple(there if path == own and there.startswith(f"{own}/") else path for path in directories)


def shelter(hierarchy: Hierarchy, parent: str) -> tuple[str, ...]:
    """The groups in which supervisors live: a leaf beside the containers, without limits of its own. Made when they are not there."""
    found = directories(hierarchy, parent, "supervisors")
    if not all(map(os.path.isdir, found)):
        from . import group

        group.create(hierarchy, parent, "supervisors", {})
    return found
