# SPDX-License-Identifier: GPL-3.0-or-later
"""Where systemd runs the host it owns the hierarchy: each container gets a delegated scope below a slice of ours.

In the scope are two groups, since only leaves may hold processes: the container's, with the limits, and `supervisor`.
"""

from __future__ import annotations

import os

_BOOTED = "/run/systemd/system"  # sd_booted(3)
SOCKET = "/run/systemd/private"
ROOT_SLICE = "-.slice"
_POINT = "/sys/fs/cgroup"


def managed() -> bool:
    """Whether systemd is process 1 and has the unified hierarchy alone, where nothing may be beside what it manages."""
    return os.path.isdir(_BOOTED) and os.path.exists(SOCKET) and os.path.exists(f"{_POINT}/cgroup.controllers")


def scope_of(owner: str, ident: str, slice_name: str = "") -> str:
    """The directory, below the mount point, of the scope OWNER-IDENT.scope in `slice_name`, OWNER.slice unless given.

    A dash in a slice's name is a level (systemd.slice(5)): berth-1a2b.slice lies in berth.slice.
    """
    return place_of(slice_name or f"{owner}.slice", f"{owner}-{ident}.scope")


def place_of(slice_name: str, unit: str) -> str:
    """The directory, below the mount point, of `unit` in a slice; "-.slice" is the one above all."""
    if slice_name == ROOT_SLICE:
        return unit
    parts = slice_name.removesuffix(".slice").split("-")
    slices = "/".join("-".join(parts[: count + 1]) + ".slice" for count in range(len(parts)))
    return f"{slices}/{unit}"


def directory(scope: str) -> str:
    """Where `scope`, as `scope_of` and `place_of` have it, is seen."""
    return f"{_POINT}/{scope}"


def supervisors(scope: str) -> str:
    """The group in `scope`, as `scope_of` has it, that is the supervisor's; what else is in the scope is the container's."""
    return f"{directory(scope)}/supervisor"
