# SPDX-License-Identifier: GPL-3.0-or-later
"""What a group has used, in the kernel's own numbers from either version: nothing is estimated, and what it does not tell is None.

Bytes, nanoseconds and counts since the group was made; pressure as Documentation/accounting/psi.rst has it.
"""

from __future__ import annotations

from .hierarchy import Hierarchy
from .places import below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

# Version 1 writes a number near 2^63 for no limit, rounded down to a page.
_UNLIMITED = 1 << 62


def read(hierarchy: Hierarchy, parent: str, name: str) -> dict[str, Any]:
    """cpu, memory, pids, block_io and pressure of a group; a part whose controller is not here is None.

    cpu: usage_ns, user_ns, system_ns, periods, throttled_periods, throttled_ns. memory: usage, working_set (usage less the file
    pages that nobody has used lately), anonymous, file, swap, peak, limit (None: none), oom_kills. pids: current, limit.
    block_io: read_bytes, write_bytes, read_operations, write_operations. pressure: cpu, memory, io, each with some and full of
    avg10, avg60, avg300 (percent) and total_us.
    """
    place = below(parent, name)
    return {
        "cpu": _one(hierarchy, place, "cpu", "cpu", _cpu_1, _cpu_2),
        "memory": _one(hierarchy, place, "memory", "memory", _memory_1, _memory_2),
        "pids": _one(hierarchy, place, "pids", "pids", _pids, _pids),
        "block_io": _one(hierarchy, place, "blkio", "io", _block_1, _block_2),
        "pressure": _pressure(f"{hierarchy.v2}/{place}") if hierarchy.v2 else None,
    }


def _one(
    hierarchy: Hierarchy,
    place: str,
    old: str,
    new: str,
    first: Callable[[str, Hierarchy, str], dict[str, Any] | None],
    second: Callable[[str, Hierarchy, str], dict[str, Any] | None],
) -> dict[str, Any] | None:
    if old in hierarchy.v1:
        return first(f"{hierarchy.v1[old]}/{place}", hierarchy, place)
    # The time of a CPU is counted in every group of version 2.
    return second(f"{hierarchy.v2}/{place}", hierarchy, place) if new in (*hierarchy.v2_controllers, "cpu") else None


def _cpu_1(home: str, hierarchy: Hierarchy, place: str) -> dict[str, Any]:
    counted, held = f"{hierarchy.v1.get('cpuacct', '')}/{place}", _pairs(f"{home}/cpu.stat")
    return {
        "usage_ns": _number(f"{counted}/cpuacct.usage"),
        "user_ns": _number(f"{counted}/cpuacct.usage_user"),
        "system_ns": _number(f"{counted}/cpuacct.usage_sys"),
        "periods": held.get("nr_periods"),
        "throttled_periods": held.get("nr_throttled"),
        "throttled_ns": held.get("throttled_time"),
    }


def _cpu_2(home: str, _hierarchy: Hierarchy, _place: str) -> dict[str, Any]:
    held = _pairs(f"{home}/cpu.stat")
    return {
        "usage_ns": _nano(held.get("usage_usec")),
        "user_ns": _nano(held.get("user_usec")),
        "system_ns": _nano(held.get("system_usec")),
        "periods": held.get("nr_periods"),
        "throttled_periods": held.get("nr_throttled"),
        "throttled_ns": _nano(held.get("throttled_usec")),
    }


def _memory_1(home: str, _hierarchy: Hierarchy, _place: str) -> dict[str, Any]:
    held, used = _pairs(f"{home}/memory.stat"), _number(f"{home}/memory.usage_in_bytes")
    limit = held.get("hierarchical_memory_limit")
    return {
        "usage": used,
        "working_set": _without(used, held.get("total_inactive_file")),
        "anonymous": held.get("total_rss"),
        "file": held.get("total_cache"),
        "swap": held.get("total_swap"),
        "peak": _number(f"{home}/memory.max_usage_in_bytes"),
        "limit": None if limit is None or limit > _UNLIMITED else limit,
        "oom_kills": _pairs(f"{home}/memory.oom_control").get("oom_kill"),
    }


def _memory_2(home: str, _hierarchy: Hierarchy, _place: str) -> dict[str, Any]:
    held, used = _pairs(f"{home}/memory.stat"), _number(f"{home}/memory.current")
    return {
        "usage": used,
        "working_set": _without(used, held.get("inactive_file")),
        "anonymous": held.get("anon"),
        "file": held.get("file"),
        "swap": _number(f"{home}/memory.swap.current"),
        "peak": _number(f"{home}/memory.peak"),
        "limit": _number(f"{home}/memory.max"),
        "oom_kills": _pairs(f"{home}/memory.events").get("oom_kill"),
    }


def _pids(home: str, _hierarchy: Hierarchy, _place: str) -> dict[str, Any]:
    return {"current": _number(f"{home}/pids.current"), "limit": _number(f"{home}/pids.max")}


def _block_1(home: str, _hierarchy: Hierarchy, _place: str) -> dict[str, Any] | None:
    """Version 1 counts in whoever throttles or schedules; where neither does there is no number, which is not zero."""
    for policy in ("throttle", "bfq"):
        moved = _operations(f"{home}/blkio.{policy}.io_service_bytes_recursive")
        done = _operations(f"{home}/blkio.{policy}.io_serviced_recursive")
        if moved:
            return _block(moved["Read"], moved["Write"], done.get("Read", 0), done.get("Write", 0))
    return None


def _operations(path: str) -> dict[str, int]:
    """Sums of "8:0 Read 4096" over all devices; {} when there is not one."""
    found: dict[str, int] = {}
    for line in _lines(path):
        words = line.split()
        if len(words) == 3:
            found.setdefault("Read", 0)
            found.setdefault("Write", 0)
            found[words[1]] = found.get(words[1], 0) + int(words[2])
    return found


def _block_2(home: str, _hierarchy: Hierarchy, _place: str) -> dict[str, Any]:
    sums = dict.fromkeys(("rbytes", "wbytes", "rios", "wios"), 0)
    for line in _lines(f"{home}/io.stat"):
        for pair in line.split()[1:]:
            key, _equals, value = pair.partition("=")
            if key in sums:
                sums[key] += int(value)
    return _block(*sums.values())


def _block(read_bytes: int, write_bytes: int, reads: int, writes: int) -> dict[str, Any]:
    return {
        "read_bytes": read_bytes, "write_bytes": write_bytes, "read_operations": reads, "write_operations": writes,
    }  # fmt: skip


def _pressure(home: str) -> dict[str, Any] | None:
    found = {kind: _stalls(f"{home}/{kind}.pressure") for kind in ("cpu", "memory", "io")}
    return found if any(found.values()) else None


def _stalls(path: str) -> dict[str, Any] | None:
    """{"some": {...}, "full": {...}} of lines such as "some avg10=0.00 avg60=0.00 avg300=0.00 total=0"."""
    found: dict[str, Any] = {}
    for line in _lines(path):
        kind, *words = line.split()
        pairs = dict(word.partition("=")[::2] for word in words)
        total = int(pairs.pop("total", 0))
        found[kind] = {**{key: float(value) for key, value in pairs.items()}, "total_us": total}
    return found or None


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except OSError:
        return []  # this kernel does not have it, or has it switched off (EOPNOTSUPP), or the group has just gone


def _pairs(path: str) -> dict[str, int]:
    """Files of lines with a name and a number (cgroup-v2.rst, flat keyed)."""
    return {words[0]: int(words[1]) for line in _lines(path) if len(words := line.split()) == 2 and words[1].isdigit()}


def _number(path: str) -> int | None:
    """The only number in a file; None for "max" and for no file."""
    text = "".join(_lines(path)[:1])
    return int(text) if text.isdigit() else None


def _nano(micro: int | None) -> int | None:
    return None if micro is None else micro * 1000


def _without(used: int | None, idle: int | None) -> int | None:
    return None if used is None else max(used - (idle or 0), 0)
