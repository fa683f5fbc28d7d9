# SPDX-License-Identifier: GPL-3.0-or-later
"""`linux.resources.cpu` in the files of the controllers cpu and cpuset."""

from __future__ import annotations

from ..errors import Unsupported
from .writing import INHERIT, Write, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PERIOD = 100_000
# What version 1 calls 1024 shares version 2 calls a weight of 100 (kernel/sched/core.c, cpu_weight_write_u64).
_SHARES, _WEIGHT, _MOST = 1024, 100, 10_000


def weight_of(shares: int) -> int:
    """The weight of version 2 that stands for `shares`: the kernel's own proportion, so that 512 is half of 1024 there too."""
    return min(max((shares * _WEIGHT + _SHARES // 2) // _SHARES, 1), _MOST)


def cpu(resources: dict[str, Any], *, v2: bool) -> tuple[Write, ...]:
    """Microseconds; a `quota` of -1 is unlimited, `shares` are relative to others' (1024 unless said)."""
    asked = {key: value for key, value in (resources.get("cpu") or {}).items() if value is not None}
    made = []
    if "idle" in asked:
        made.append(one("cpu.idle", "cpu.idle", asked["idle"], "0"))
    # A group that idles has no weight to set (kernel/sched/fair.c, sched_group_set_shares).
    if asked.get("shares") and not asked.get("idle"):
        if v2:
            made.append(one("cpu.shares", "cpu.weight", weight_of(asked["shares"]), str(_WEIGHT)))
        else:
            made.append(one("cpu.shares", "cpu.shares", asked["shares"], str(_SHARES)))
    made += _quota_2(asked) if v2 else _quota_1(asked)
    return (*made, *_realtime(asked, v2=v2))


def _quota_2(asked: dict[str, Any]) -> list[Write]:
    made, quota, period = [], asked.get("quota"), asked.get("period")
    if quota or period:
        most = quota if quota and quota > 0 else "max"
        made.append(one("cpu.quota", "cpu.max", f"{most} {period or PERIOD}", f"max {PERIOD}"))
    if "burst" in asked:
        made.append(one("cpu.burst", "cpu.max.burst", asked["burst"], "0"))
    return made


def _quota_1(asked: dict[str, Any]) -> list[Write]:
    """Without a quota in between, the kernel takes any period and then any quota; a burst may not be above it."""
    made, quota, period = [], asked.get("quota"), asked.get("period")
    if "burst" in asked:
        made.append(one("cpu.burst", "cpu.cfs_burst_us", "0", "0"))
    if quota:
        made.append(one("cpu.quota", "cpu.cfs_quota_us", "-1", "-1"))
    if period:
        made.append(one("cpu.period", "cpu.cfs_period_us", period, str(PERIOD)))
    if quota and quota > 0:
        made.append(one("cpu.quota", "cpu.cfs_quota_us", quota, "-1"))
    if asked.get("burst"):
        made.append(one("cpu.burst", "cpu.cfs_burst_us", asked["burst"], "0"))
    return made


def _realtime(asked: dict[str, Any], *, v2: bool) -> tuple[Write, ...]:
    made = []
    for name, file, lift in (
        ("realtimePeriod", "cpu.rt_period_us", "1000000"),
        ("realtimeRuntime", "cpu.rt_runtime_us", "0"),
    ):
        if asked.get(name):
            if v2:
                raise Unsupported(f"cpu.{name}: the cpu controller of cgroup v2 has no such thing: leave it out")
            made.append(one(f"cpu.{name}", file, asked[name], lift))
    return tuple(made)


def cpuset(resources: dict[str, Any], *, v2: bool) -> tuple[Write, ...]:
    """`cpus` and `mems` in the kernel's list format (cpuset(7)), "0-3,7"."""
    asked = resources.get("cpu") or {}
    lift = "" if v2 else INHERIT
    return tuple(
        one(f"cpu.{name}", f"cpuset.{name}", asked[name], lift) for name in ("cpus", "mems") if asked.get(name)
    )
