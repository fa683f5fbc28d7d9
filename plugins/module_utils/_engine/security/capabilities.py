# SPDX-License-Identifier: GPL-3.0-or-later
"""Which capabilities a container's processes may hold, as names for the record and as a mask for the kernel."""

from __future__ import annotations

from ..errors import InvalidSpec
from ..kernel.capabilities import NAMES

DEFAULT = (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
)  # fmt: skip


def normalise(names: tuple[str, ...], option: str) -> tuple[str, ...]:
    """Docker's spellings ("cap_net_raw", "NET_RAW", "all") as sorted upper-case names without the prefix."""
    return tuple(sorted({_one(name, option) for name in names}))


def resolve(add: tuple[str, ...], drop: tuple[str, ...], *, privileged: bool) -> tuple[str, ...]:
    """What is left of the default set after `drop` and `add`, as Docker combines them: ALL stands for every one."""
    held = set(NAMES) if privileged or "ALL" in add else set(DEFAULT)
    held -= set(NAMES) if "ALL" in drop and "ALL" not in add else set(drop)
    held |= set(add) - {"ALL"}
    return tuple(name for name in NAMES if name in held)


def mask(names: tuple[str, ...]) -> int:
    """The names as capset(2) and the bounding set count them."""
    return sum(1 << NAMES.index(name) for name in names)


def _one(name: str, option: str) -> str:
    short = name.strip().upper().removeprefix("CAP_")
    if short != "ALL" and short not in NAMES:
        raise InvalidSpec(f"{option}: {name!a} is no capability: write one such as NET_RAW, or ALL")
    return short
