# SPDX-License-Identifier: GPL-3.0-or-later
"""`update`: other limits for a container that runs."""

from __future__ import annotations

import os

from ... import units
from ..options import Command, Option
from .shared import number, root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options import Given

_LIMITS = {
    "blkio-weight": ("blockIO", "weight"), "cpu-period": ("cpu", "period"), "cpu-quota": ("cpu", "quota"),
    "cpu-burst": ("cpu", "burst"), "cpu-share": ("cpu", "shares"), "cpu-idle": ("cpu", "idle"),
    "cpu-rt-period": ("cpu", "realtimePeriod"), "cpu-rt-runtime": ("cpu", "realtimeRuntime"),
    "cpuset-cpus": ("cpu", "cpus"), "cpuset-mems": ("cpu", "mems"), "memory": ("memory", "limit"),
    "memory-reservation": ("memory", "reservation"), "memory-swap": ("memory", "swap"), "pids-limit": ("pids", "limit"),
}  # fmt: skip


def _update(given: Given, asked: Given) -> int:
    from ...oci import config, update

    path = asked.text("resources")
    if path:
        data = _all_of_stdin() if path == "-" else config.read(path)
        resources = update.read(data)
    else:
        resources = _limits(asked)
    update.update(root(given), asked.operands[0], resources)
    return 0


def _all_of_stdin() -> bytes:
    data = b""
    while chunk := os.read(0, 1 << 16):
        data += chunk
    return data


def _limits(asked: Given) -> dict[str, dict[str, int | str]]:
    found: dict[str, dict[str, int | str]] = {}
    for option, (part, name) in _LIMITS.items():
        text = asked.text(option)
        if text is not None:
            found.setdefault(part, {})[name] = _value(text, option, part, name)
    return found


def _value(text: str, option: str, part: str, name: str) -> int | str:
    if name in ("cpus", "mems"):
        return text
    if part == "memory" and text != "-1":
        return units.parse_size(text, f"--{option}")
    return number(text, option, signed=True)


VERBS = {
    "update": (
        Command(
            "oci update",
            "ID",
            "Change the limits of a container that runs.",
            (
                Option(
                    "-r --resources", "a file with the resources object of config.json, - is standard input", "FILE"
                ),
                *(
                    Option(f"--{name}", f"linux.resources.{part}.{key}", "VALUE")
                    for name, (part, key) in _LIMITS.items()
                ),
            ),
            least=1,
            most=1,
        ),
        _update,
    ),
}
