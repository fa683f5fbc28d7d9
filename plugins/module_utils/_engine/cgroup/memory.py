# SPDX-License-Identifier: GPL-3.0-or-later
"""`linux.resources.memory` in the files of the memory controller."""

from __future__ import annotations

from ..errors import InvalidSpec, Unsupported
from .writing import INHERIT, Write, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LIMIT, _SWAP = "memory.limit", "memory.swap"


def memory(resources: dict[str, Any], *, v2: bool) -> tuple[Write, ...]:
    """Bytes; -1 is unlimited. `swap` is memory and swap together, as version 1 counts; version 2 counts swap alone."""
    asked = resources.get("memory") or {}
    if not asked:
        return ()
    limit, swap = asked.get("limit"), asked.get("swap")
    if swap is not None and swap >= 0:
        if limit is None or limit < 0:
            raise InvalidSpec(f"{_SWAP}: it is memory and swap together, and means nothing without {_LIMIT}: give both")
        if swap < limit:
            raise InvalidSpec(f"{_SWAP}: {swap} is less than {_LIMIT} {limit}, which it includes: give more")
    return _version_2(asked, limit, swap) if v2 else _version_1(asked, limit, swap)


def _version_2(asked: dict[str, Any], limit: int | None, swap: int | None) -> tuple[Write, ...]:
    for name, missing in (
        ("swappiness", asked.get("swappiness") is not None),
        ("kernel", _is_limit(asked.get("kernel"))),
        ("kernelTCP", _is_limit(asked.get("kernelTCP"))),
        ("disableOOMKiller", bool(asked.get("disableOOMKiller"))),
    ):
        if missing:
            raise Unsupported(f"memory.{name}: the memory controller of cgroup v2 has no such thing: leave it out")
    made = []
    if swap is not None:
        alone = "max" if swap < 0 else str(swap - (limit or 0))
        made.append(one(_SWAP, "memory.swap.max", alone, "max", needed=swap != limit))
    elif limit is not None and limit < 0:
        made.append(one(_SWAP, "memory.swap.max", "max", "max", needed=False))
    if limit is not None:
        made.append(one(_LIMIT, "memory.max", "max" if limit < 0 else limit, "max"))
    if asked.get("reservation") is not None:
        made.append(one("memory.reservation", "memory.low", _or(asked["reservation"], "max"), "0"))
    return tuple(made)


def _version_1(asked: dict[str, Any], limit: int | None, swap: int | None) -> tuple[Write, ...]:
    made = []
    if limit is not None or swap is not None:
        # memsw may never be below the limit, so it is opened first and closed last; a limit alone leaves swap open.
        finite, same = swap is not None and swap >= 0, "memory.memsw.limit_in_bytes"
        made.append(one(_SWAP, same, "-1", "-1", needed=finite and swap != limit))
        if limit is not None:
            made.append(one(_LIMIT, "memory.limit_in_bytes", limit, "-1"))
        if finite:
            made.append(one(_SWAP, same, swap, "-1", needed=swap != limit))
    if asked.get("reservation") is not None:
        made.append(one("memory.reservation", "memory.soft_limit_in_bytes", asked["reservation"], "-1"))
    if asked.get("swappiness") is not None:
        made.append(one("memory.swappiness", "memory.swappiness", asked["swappiness"], INHERIT))
    if asked.get("disableOOMKiller") is not None:
        made.append(
            one("memory.disableOOMKiller", "memory.oom_control", int(asked["disableOOMKiller"]), "0", needed=False)
        )
    if asked.get("useHierarchy"):
        # Since Linux 5.11 it is always so.
        made.append(one("memory.useHierarchy", "memory.use_hierarchy", "1", "1", needed=False))
    for name, file in (("kernel", "memory.kmem.limit_in_bytes"), ("kernelTCP", "memory.kmem.tcp.limit_in_bytes")):
        if asked.get(name) is not None:
            made.append(one(f"memory.{name}", file, asked[name], "-1", needed=_is_limit(asked[name])))
    return tuple(made)


def _is_limit(value: int | None) -> bool:
    return value is not None and value > 0


def _or(value: int, unlimited: str) -> str:
    return unlimited if value < 0 else str(value)
