# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole of `linux.resources` (OCI runtime-spec 1.2, config-linux.md) but devices, as values in files of either version."""

from __future__ import annotations

from ..errors import InvalidSpec, Unsupported
from .hierarchy import Hierarchy
from .writing import KEPT, Write, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

# Controllers by their names on version 1 and version 2, "" for one that is not there.
CONTROLLERS = (
    ("cpu", "cpu"),
    ("cpuset", "cpuset"),
    ("memory", "memory"),
    ("pids", "pids"),
    ("blkio", "io"),
    ("hugetlb", "hugetlb"),
    ("rdma", "rdma"),
    ("net_cls", ""),
    ("net_prio", ""),
)


def writes(resources: dict[str, Any], controller: str, *, v2: bool) -> tuple[Write, ...]:
    """What sets `resources` in one controller's group, in the order in which the kernel takes them, also live.

    A property that is absent or null writes nothing. InvalidSpec for what makes no sense, Unsupported for what this
    version has no file for.
    """
    made = _WRITERS[controller](resources, v2=v2) if controller in _WRITERS else ()
    return (*made, *_unified(resources, controller)) if v2 else made


def place(hierarchy: Hierarchy, old: str, new: str) -> str | None:
    """The mount point where a controller of these two names works, None for nowhere."""
    if old in hierarchy.v1:
        return hierarchy.v1[old]
    return hierarchy.v2 if new and new in hierarchy.v2_controllers else None


def check(resources: dict[str, Any], hierarchy: Hierarchy, names: Mapping[str, str] | None = None) -> None:
    """Unsupported when this host can't hold one of `resources`, InvalidSpec when one makes no sense.

    `names` maps a property, "memory.limit", to the option that the user knows it by.
    """
    for old, new in CONTROLLERS:
        home = place(hierarchy, old, new)
        v2 = old not in hierarchy.v1 and home is not None
        asked = writes(resources, new if v2 else old, v2=v2)
        needed = next((write for write in asked if write.needed), None)
        if needed and home is None:
            option = (names or {}).get(needed.option, needed.option)
            raise Unsupported(f"{option}: this kernel has no {old} cgroup controller: mount it, or leave {option} out")
    for file in resources.get("unified") or {}:
        controller = _controller_of(file)
        if controller != "cgroup" and controller not in hierarchy.v2_controllers:
            raise Unsupported(f"unified.{file}: cgroup v2 has no controller {controller} on this host: leave it out")


# Nearly every container does without these, and is started by a program that does without their modules.
def _cpu(resources: dict[str, Any], *, v2: bool) -> tuple[Write, ...]:
    if not resources.get("cpu"):
        return ()
    from .cpu import cpu

    return cpu(resources, v2=v2)


def _cpuset(resources: dict[str, Any], *, v2: bool) -> tuple[Write, ...]:
    if not resources.get("cpu"):
        return ()
    from .cpu import cpuset

    return cpuset(resources, v2=v2)


def _memory(resources: dict[str, Any], *, v2: bool) -> tuple[Write, ...]:
    if not resources.get("memory"):
        return ()
    from .memory import memory

    return memory(resources, v2=v2)


def _blockio(resources: dict[str, Any], *, v2: bool) -> tuple[Write, ...]:
    if not resources.get("blockIO"):
        return ()
    from .blockio import blockio

    return blockio(resources, v2=v2)


def _pids(resources: dict[str, Any], *, v2: bool) -> tuple[Write, ...]:
    limit = (resources.get("pids") or {}).get("limit")
    return () if limit is None else (one("pids.limit", "pids.max", limit if limit > 0 else "max", "max"),)


def _hugetlb(resources: dict[str, Any], *, v2: bool) -> tuple[Write, ...]:
    """Pages that are reserved count too where the kernel can (Linux 5.7), so that a reservation does not end in a SIGBUS."""
    made, tail = [], "max" if v2 else "limit_in_bytes"
    for item in resources.get("hugepageLimits") or ():
        size, limit = item["pageSize"], item["limit"]
        if not (size.isascii() and size.isalnum()):
            raise InvalidSpec(f"hugepageLimits: {size!a} is no size of a page: write one such as 2MB")
        lift = "max" if v2 else "-1"
        made.append(one("hugepageLimits", f"hugetlb.{size}.{tail}", limit, lift))
        made.append(one("hugepageLimits", f"hugetlb.{size}.rsvd.{tail}", limit, lift, needed=False))
    return tuple(made)


def _rdma(resources: dict[str, Any], *, v2: bool) -> tuple[Write, ...]:
    made = []
    for device, limits in (resources.get("rdma") or {}).items():
        pairs = (("hca_handle", limits.get("hcaHandles")), ("hca_object", limits.get("hcaObjects")))
        value = " ".join(f"{key}={'max' if count is None else count}" for key, count in pairs)
        made.append(one("rdma", "rdma.max", f"{device} {value}", f"{device} hca_handle=max hca_object=max", of=device))
    return tuple(made)


def _net_cls(resources: dict[str, Any], *, v2: bool) -> tuple[Write, ...]:
    ident = (resources.get("network") or {}).get("classID")
    return () if ident is None else (one("network.classID", "net_cls.classid", ident, "0"),)


def _net_prio(resources: dict[str, Any], *, v2: bool) -> tuple[Write, ...]:
    return tuple(
        one(
            "network.priorities",
            "net_prio.ifpriomap",
            f"{item['name']} {item['priority']}",
            f"{item['name']} 0",
            of=item["name"],
        )
        for item in (resources.get("network") or {}).get("priorities") or ()
    )


def _unified(resources: dict[str, Any], controller: str) -> tuple[Write, ...]:
    """The user's own values go last; "cgroup" stands for the files that every group has."""
    return tuple(
        one(f"unified.{file}", file, value, KEPT, of="unified")
        for file, value in (resources.get("unified") or {}).items()
        if _controller_of(file) == controller
    )


def _controller_of(file: str) -> str:
    controller, dot, _rest = file.partition(".")
    if not dot or "/" in file or "\0" in file:
        raise InvalidSpec(f"unified: {file!a} is no file of a cgroup: write a name such as memory.high")
    return controller


_WRITERS: dict[str, Callable[..., tuple[Write, ...]]] = {
    "cpu": _cpu, "cpuset": _cpuset, "memory": _memory, "pids": _pids, "blkio": _blockio, "io": _blockio, "hugetlb": _hugetlb,
    "rdma": _rdma, "net_cls": _net_cls, "net_prio": _net_prio,
}  # fmt: skip
