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


def shelter(hierarchy: Hierarchy, parent: str) -> tuple[str, ...]:
    """The groups in which supervisors live: a leaf beside the containers, without limits of its own. Made when they are not there."""
    found = directories(hierarchy, parent, "supervisors")
    if not all(map(os.path.isdir, found)):
        from . import group

        group.create(hierarchy, parent, "supervisors", {})
    return found
