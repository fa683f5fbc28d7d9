# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's limits, and the files that hold them on version 1 and on version 2."""

from __future__ import annotations

from ..errors import InvalidSpec, Unsupported
from ..values import Value
from .hierarchy import Hierarchy

PERIOD = 100_000
# Below this a process can't be started before it is killed (Docker has the same floor).
LEAST_MEMORY = 6 << 20


class Limits(Value):
    """`memory` in bytes (swap included), `cpus` in CPUs, `pids` in tasks; None is unlimited."""

    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None


def check(limits: Limits, hierarchy: Hierarchy) -> None:
    """InvalidSpec for a limit that no process could live in, Unsupported for one that this kernel can't hold."""
    if limits.memory is not None and limits.memory < LEAST_MEMORY:
        raise InvalidSpec(
            f"memory: {limits.memory} bytes is below the {LEAST_MEMORY >> 20} MiB that a process needs to start: give more"
        )
    if limits.cpus is not None and limits.cpus * PERIOD < 1000:
        raise InvalidSpec(f"cpus: {limits.cpus} is below the 0.01 that the kernel takes: give more")
    for option, field, controller in (
        ("memory", "memory", "memory"),
        ("cpus", "cpus", "cpu"),
        ("pids_limit", "pids", "pids"),
    ):
        if getattr(limits, field) is not None and not hierarchy.has(controller):
            raise Unsupported(
                f"{option}: this kernel has no {controller} cgroup controller: mount it, or leave {option} out"
            )


def writes(limits: Limits, controller: str, *, v2: bool) -> tuple[tuple[str, str], ...]:
    """File names and values that set `limits` in one controller's group, in the order in which the kernel takes them."""
    if controller == "pids":
        return (("pids.max", "max" if limits.pids is None else str(limits.pids)),)
    if controller == "cpu":
        quota = None if limits.cpus is None else int(limits.cpus * PERIOD)
        if v2:
            return (("cpu.max", f"{'max' if quota is None else quota} {PERIOD}"),)
        return (("cpu.cfs_period_us", str(PERIOD)), ("cpu.cfs_quota_us", str(-1 if quota is None else quota)))
    if controller == "memory":
        return _memory(limits.memory, v2=v2)
    return ()


def _memory(memory: int | None, *, v2: bool) -> tuple[tuple[str, str], ...]:
    if v2:
        return (
            ("memory.swap.max", "max" if memory is None else "0"),
            ("memory.max", "max" if memory is None else str(memory)),
        )
    if memory is None:
        return (("memory.memsw.limit_in_bytes", "-1"), ("memory.limit_in_bytes", "-1"))
    # memsw may never be below the limit, so it is opened first and closed last.
    return (
        ("memory.memsw.limit_in_bytes", "-1"),
        ("memory.limit_in_bytes", str(memory)),
        ("memory.memsw.limit_in_bytes", str(memory)),
    )
