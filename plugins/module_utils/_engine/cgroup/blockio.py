# SPDX-License-Identifier: GPL-3.0-or-later
"""`linux.resources.blockIO` in the files of the controllers blkio (version 1) and io (version 2)."""

from __future__ import annotations

from ..errors import Unsupported
from .writing import Write, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# OCI's name, the file on version 1, the key in io.max on version 2.
_THROTTLES = (
    ("throttleReadBpsDevice", "blkio.throttle.read_bps_device", "rbps"),
    ("throttleWriteBpsDevice", "blkio.throttle.write_bps_device", "wbps"),
    ("throttleReadIOPSDevice", "blkio.throttle.read_iops_device", "riops"),
    ("throttleWriteIOPSDevice", "blkio.throttle.write_iops_device", "wiops"),
)
_DEFAULT = "100"


def io_weight(weight: int) -> int:
    """10 to 1000 of version 1 on the scale of io.weight, 1 to 10000. Linear, so the ends meet."""
    return 1 + (weight - 10) * 9999 // 990


def blockio(resources: dict[str, Any], *, v2: bool) -> tuple[Write, ...]:
    """Weights are relative to others' (10 to 1000), rates in bytes or operations per second; 0 lifts a rate.

    The weight is BFQ's where the kernel has that scheduler, else that of io.cost (or of CFQ, before Linux 5.0).
    """
    asked = resources.get("blockIO") or {}
    if not asked:
        return ()
    if v2 and (asked.get("leafWeight") or any(item.get("leafWeight") for item in asked.get("weightDevice") or ())):
        raise Unsupported("blockIO.leafWeight: the io controller of cgroup v2 has no such thing: leave it out")
    made = [*_weights(asked, v2=v2)]
    for name, file, key in _THROTTLES:
        for item in asked.get(name) or ():
            device, rate = f"{item['major']}:{item['minor']}", item["rate"]
            if v2:
                value, lift = f"{device} {key}={rate or 'max'}", f"{device} {key}=max"
                made.append(one(f"blockIO.{name}", "io.max", value, lift, of=f"{device} {key}"))
            else:
                made.append(one(f"blockIO.{name}", file, f"{device} {rate}", f"{device} 0", of=device))
    return tuple(made)


def _weights(asked: dict[str, Any], *, v2: bool) -> list[Write]:
    made = []
    if asked.get("weight"):
        made.append(_weight("blockIO.weight", asked["weight"], v2=v2))
    if asked.get("leafWeight"):
        made.append(one("blockIO.leafWeight", "blkio.leaf_weight", asked["leafWeight"], "500"))
    for item in asked.get("weightDevice") or ():
        device = f"{item['major']}:{item['minor']}"
        if item.get("weight"):
            made.append(_weight("blockIO.weightDevice", item["weight"], device=device, v2=v2))
        if item.get("leafWeight"):
            value = f"{device} {item['leafWeight']}"
            made.append(
                one("blockIO.weightDevice", "blkio.leaf_weight_device", value, f"{device} 0", of=f"{device} leaf")
            )
    return made


def _weight(option: str, weight: int, *, v2: bool, device: str = "") -> Write:
    head, own = (f"{device} ", "default") if device else ("", _DEFAULT)
    if v2:
        default = f"{device} default" if device else f"default {_DEFAULT}"
        tries = (
            ("io.bfq.weight", f"{head}{weight}", f"{head}{own}"),
            ("io.weight", f"{head or 'default '}{io_weight(weight)}", default),
        )
    else:
        suffix = "_device" if device else ""
        tries = (
            (f"blkio.bfq.weight{suffix}", f"{head}{weight}", f"{head}{own}"),
            (f"blkio.weight{suffix}", f"{head}{weight}", f"{head}0" if device else "500"),
        )
    return Write(option=option, tries=tries, of=device)
