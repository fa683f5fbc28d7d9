# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cgroup hierarchies this host has mounted and where; `mountinfo` can be any text, so tests need no kernel."""

from __future__ import annotations

from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# The hierarchies of version 1 that a container takes part in. In one that it did not it would see the host's groups.
WANTED = (
    "cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "net_cls", "net_prio",
    "perf_event", "rdma", "misc", "name=systemd",
)  # fmt: skip


class Hierarchy(Value):
    """`v1` maps a controller to its mount point; `v2` is the unified hierarchy's mount point, "" when there is none.

    A hybrid host has both: the limits are on version 1 and version 2 only groups, kills and freezes.
    """

    v1: Mapping[str, str]
    v2: str
    v2_controllers: tuple[str, ...]

    def has(self, controller: str) -> bool:
        """Whether `controller` can limit anything here."""
        return controller in self.v1 or controller in self.v2_controllers

    def mount_points(self) -> tuple[str, ...]:
        """Every hierarchy once, in a stable order (cpu and cpuacct often share one)."""
        points = dict.fromkeys(self.v1[name] for name in WANTED if name in self.v1)
        if self.v2:
            points[self.v2] = None
        return tuple(points)


def mounted(mountinfo: str | None = None, root: str = "") -> Hierarchy:
    """What is mounted now: parsed from `mountinfo` (proc_pid_mountinfo(5)), by default our own.

    `root` is put before every mount point, so that a temporary directory can play the host.
    """
    if mountinfo is None:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mountinfo = file.read()
    v1: dict[str, str] = {}
    v2 = ""
    for line in mountinfo.splitlines():
        before, _unused, after = line.partition(" - ")
        if not after.startswith("cgroup"):
            continue
        point, (fstype, _source, options) = root + before.split(" ")[4], after.split(" ", 2)
        if fstype == "cgroup2":
            v2 = v2 or point
        else:
            for option in options.split(","):
                if option in WANTED:
                    v1.setdefault(option, point)
    return Hierarchy(v1=v1, v2=v2, v2_controllers=_controllers(v2) if v2 else ())


def _controllers(v2: str) -> tuple[str, ...]:
    try:
        with open(f"{v2}/cgroup.controllers", encoding="utf-8") as file:
            return tuple(file.read().split())
    except FileNotFoundError:
        return ()
