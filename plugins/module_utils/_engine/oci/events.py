# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container uses, again and again, and when the kernel kills in it for lack of memory: in the words of runc's `events`."""

from __future__ import annotations

import time

from ..errors import Conflict, NotFound
from . import groups
from .looking import word_of
from .store import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_LOOK = 0.1
_NO_LIMIT = (1 << 64) - 1


def once(root: str, ident: str) -> dict[str, Any]:
    """An event of kind stats. Conflict unless the container has processes."""
    return _stats(ident, _running(root, ident)[1])


def follow(root: str, ident: str, interval: float) -> Iterator[dict[str, Any]]:
    """An event of kind stats every `interval` seconds, and one of kind oom for each kill, as long as the container runs."""
    home, place = _running(root, ident)
    due, kills = time.monotonic() + interval, _kills(place)
    while _is_there(home):
        time.sleep(min(_LOOK, interval))
        found = _kills(place)
        for _each in range(kills, found):
            yield {"type": "oom", "id": ident}
        kills = max(kills, found)
        if time.monotonic() >= due:
            due += interval
            yield _stats(ident, place)


def _running(root: str, ident: str) -> tuple[Home, str]:
    home = Home(root, ident)
    known = home.read()
    word = word_of(home, known)
    if word not in ("created", "running", "paused"):
        raise Conflict(f"container not running: {ident} is {word}")
    return home, known.place


def _is_there(home: Home) -> bool:
    try:
        return word_of(home, home.read()) != "stopped"
    except NotFound:
        return False


def _kills(place: str) -> int:
    return int((groups.numbers(place)["memory"] or {}).get("oom_kills") or 0)


def _stats(ident: str, place: str) -> dict[str, Any]:
    found = groups.numbers(place)
    cpu, memory, pids, block = (found[name] or {} for name in ("cpu", "memory", "pids", "block_io"))
    pressure = found["pressure"] or {}
    return {
        "type": "stats",
        "id": ident,
        "data": {
            "cpu": {
                "usage": {"total": cpu.get("usage_ns"), "kernel": cpu.get("system_ns"), "user": cpu.get("user_ns")},
                "throttling": {
                    "periods": cpu.get("periods"), "throttledPeriods": cpu.get("throttled_periods"),
                    "throttledTime": cpu.get("throttled_ns"),
                },
                **_psi(pressure.get("cpu")),
            },
            "memory": {
                "cache": memory.get("file"),
                "usage": {
                    "limit": _NO_LIMIT if memory.get("limit") is None else memory["limit"], "usage": memory.get("usage"),
                    "max": memory.get("peak"), "failcnt": memory.get("oom_kills"),
                },
                "swap": {"usage": memory.get("swap")},
                **_psi(pressure.get("memory")),
            },
            # No limit is 0.
            "pids": {"current": pids.get("current"), "limit": pids.get("limit") or 0},
            "blkio": {**_blkio(block), **_psi(pressure.get("io"))},
            "hugetlb": {},
            "network_interfaces": None,
        },
    }  # fmt: skip


def _psi(stalls: dict[str, Any] | None) -> dict[str, Any]:
    if not stalls:
        return {}
    kinds = {
        kind: {**{name: value for name, value in part.items() if name != "total_us"}, "total": part["total_us"]}
        for kind, part in stalls.items()
    }
    return {"psi": kinds}


def _blkio(block: dict[str, Any]) -> dict[str, Any]:
    """Sums over all devices; they have no number."""
    if not block:
        return {}
    return {
        "ioServiceBytesRecursive": _entries(block["read_bytes"], block["write_bytes"]),
        "ioServicedRecursive": _entries(block["read_operations"], block["write_operations"]),
    }


def _entries(read: int, write: int) -> list[dict[str, Any]]:
    return [{"op": "Read", "value": read}, {"op": "Write", "value": write}]
