# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel lets a process use: resource limits, scheduling, I/O priority, processors, its place when memory is short.

Most of it only the host's root may give, so it is given from outside, or before a user namespace is joined.
"""

from __future__ import annotations

import os
import resource

from ..errors import EngineError, InvalidSpec, NotPermitted
from ..kernel import scheduling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# By number (include/uapi/asm-generic/resource.h): the standard library lacks some of the names.
_KINDS = (
    "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS", "RLIMIT_NPROC", "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
)  # fmt: skip
_FIRST_PROCESS = 1


def parse(entries: Sequence[dict[str, Any]]) -> dict[int, tuple[int, int]]:
    """config.json's "rlimits": soft and hard limit by number, -1 for no limit. InvalidSpec for what the kernel has no word for."""
    found: dict[int, tuple[int, int]] = {}
    for entry in entries:
        kind = str(entry.get("type"))
        if kind not in _KINDS:
            raise InvalidSpec(f"process.rlimits: {kind!a} is no resource limit: write one such as RLIMIT_NOFILE")
        number = _KINDS.index(kind)
        if number in found:
            raise InvalidSpec(f"process.rlimits: {kind} is given twice")
        soft, hard = (_number(entry.get(name), f"process.rlimits: {kind}: {name}") for name in ("soft", "hard"))
        if _less(hard, soft):
            raise InvalidSpec(f"process.rlimits: {kind}: the soft limit {soft} is above the hard limit {hard}")
        found[number] = soft, hard
    return found


def _number(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -1 <= value < 1 << 64:
        raise InvalidSpec(f"{what}: {value!a} is no number")
    # All ones is no limit (RLIM_INFINITY), and Python wants numbers of its own sign.
    return -1 if value >= 1 << 63 else value


def _less(one: int, other: int) -> bool:
    """Whether the limit `one` is tighter than `other`."""
    return one != -1 and (other == -1 or one < other)


def raise_ceilings(pid: int, entries: Sequence[dict[str, Any]]) -> None:
    """Lift the hard limits of process `pid` (0: this one) to what `entries` ask for, as far as this process may: prlimit(2).

    `apply` then needs no right, also in a user namespace, whose root is nobody to the kernel here.
    """
    for number, (_unused, hard) in parse(entries).items():
        soft, ceiling = resource.prlimit(pid, number)
        if _less(ceiling, hard):
            _try_limit(pid, number, (soft, hard))


def _try_limit(pid: int, number: int, pair: tuple[int, int]) -> bool:
    try:
        resource.prlimit(pid, number, pair)
    except (PermissionError, ValueError):
        # CAP_SYS_RESOURCE, which a host that is itself a container may lack; or more than fs.nr_open.
        return False
    return True


def apply(entries: Sequence[dict[str, Any]], *, clamp: bool) -> None:
    """Set this process's limits. One that is above what it may have is clamped to that, or else NotPermitted."""
    for number, (soft, hard) in parse(entries).items():
        if _try_limit(0, number, (soft, hard)):
            continue
        ceiling = resource.getrlimit(number)[1]
        if not clamp:
            raise NotPermitted(
                f"process.rlimits: {_KINDS[number]} {hard} is above this host's hard limit {ceiling}: ask for less"
            )
        hard = ceiling if _less(ceiling, hard) else hard
        resource.setrlimit(number, (hard if _less(hard, soft) else soft, hard))


def forget_callers(entries: Sequence[dict[str, Any]]) -> None:
    """Take the limits that `entries` do not name from the host's first process: a caller's ulimit is none of a container's."""
    named = parse(entries)
    for number in range(len(_KINDS)):
        wanted = resource.prlimit(_FIRST_PROCESS, number)
        if number in named or wanted == resource.prlimit(0, number):
            continue
        if not _try_limit(0, number, wanted):
            ceiling = resource.getrlimit(number)[1]
            resource.setrlimit(number, (ceiling if _less(ceiling, wanted[0]) else wanted[0], ceiling))


def forget_scheduling() -> None:
    """Back to the policy, niceness, I/O priority and processors that a process of the host's has at first."""
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    scheduling.set_io_priority(0, 0, 0)
    scheduling.use_all_processors()
    if os.getpriority(os.PRIO_PROCESS, 0):
        try:
            os.setpriority(os.PRIO_PROCESS, 0, 0)
        except PermissionError:
            # CAP_SYS_NICE, which a host that is itself a container may lack: then everybody there is as nice.
            return


def give(pid: int, process: dict[str, Any], *, strict: bool) -> None:
    """Everything that config.json's "process" says and only the host's root may: for process `pid`, 0 for this one.

    oomScoreAdj, rlimits (ceilings), scheduler, ioPriority. Without `strict` a plain oomScoreAdj that can't be had is let be.
    """
    if "oomScoreAdj" in process:
        set_oom_score(pid, process["oomScoreAdj"], strict=strict)
    raise_ceilings(pid, process.get("rlimits") or ())
    if process.get("scheduler"):
        scheduling.set_scheduler(pid, process["scheduler"])
    if process.get("ioPriority"):
        entry = process["ioPriority"]
        scheduling.set_io_priority(pid, scheduling.io_class(entry.get("class")), int(entry.get("priority") or 0))


def set_oom_score(pid: int, value: int, *, strict: bool) -> None:
    """/proc/PID/oom_score_adj. Lowering it needs CAP_SYS_RESOURCE: without that an error for less than 0, or any value when `strict`."""
    if not isinstance(value, int) or not -1000 <= value <= 1000:
        raise InvalidSpec(f"process.oomScoreAdj: {value!a} is not between -1000 and 1000")
    path = f"/proc/{pid or 'self'}/oom_score_adj"
    with open(path, encoding="utf-8") as file:
        if int(file.read()) == value:
            return
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(str(value))
    except PermissionError as error:
        if strict or value < 0:
            raise NotPermitted(
                f"process.oomScoreAdj {value} is below what this process may give: ask for more"
            ) from error


def parse_processors(text: str, what: str, things: str = "processors") -> frozenset[int]:
    """A list of processors, or of other `things`, such as "0-3,7" (cpuset(7), List format)."""
    found: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        if not (low.isascii() and low.isdigit()) or (dash and not (high.isascii() and high.isdigit())):
            raise InvalidSpec(f"{what}: {text!a} is no list of {things}: write one such as 0-3,7")
        first, last = int(low), int(high or low)
        if not first <= last < 1 << 16:
            raise InvalidSpec(f"{what}: {text!a} is no list of {things}: write one such as 0-3,7")
        found.update(range(first, last + 1))
    return frozenset(found)


def run_on(process: dict[str, Any], when: str) -> None:
    """execCPUAffinity: `when` is "initial" (before the container's cgroup is joined) or "final" (after it)."""
    text = (process.get("execCPUAffinity") or {}).get(when)
    if text:
        what = f"process.execCPUAffinity.{when}"
        try:
            os.sched_setaffinity(0, parse_processors(text, what))
        except OSError as error:
            raise EngineError(f"{what} {text}: {error.strerror}") from error
