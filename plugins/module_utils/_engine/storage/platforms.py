# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of an index's images is for a machine: os/architecture/variant in OCI's words, compared as containers' tools compare them."""

from __future__ import annotations

import os

from ..errors import InvalidSpec, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .oci import Descriptor, Index

_MACHINES = {
    "x86_64": ("amd64", ""), "aarch64": ("arm64", "v8"), "armv7l": ("arm", "v7"), "armv6l": ("arm", "v6"),
    "ppc64le": ("ppc64le", ""), "s390x": ("s390x", ""), "riscv64": ("riscv64", ""), "i686": ("386", ""),
}  # fmt: skip
_SYNONYMS = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "armhf": "arm"}
_WORD = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")

Platform = tuple[str, str, str]


def host() -> Platform:
    """(os, architecture, variant) of this host; the variant is "" where there is none."""
    machine = os.uname().machine
    return ("linux", *_MACHINES.get(machine, (machine, "")))


def parse(text: str | None) -> Platform:
    """The platform in "linux/arm64/v8", "linux/arm64" or "arm64"; this host's for None. InvalidSpec."""
    if text is None:
        return host()
    parts = text.lower().split("/")
    if len(parts) == 1:
        parts = ["linux", *parts]
    if not 2 <= len(parts) <= 3 or not all(part and _WORD.issuperset(part) for part in parts):
        raise InvalidSpec(
            f"platform: {text!a} is none: write os/architecture or os/architecture/variant, such as linux/arm64"
        )
    return _normal(parts[0], parts[1], parts[2] if len(parts) == 3 else "")


def show(platform: Platform) -> str:
    """The text that `parse` reads."""
    return "/".join(part for part in platform if part)


def choose(index: Index, platform: str | None) -> Descriptor:
    """The index's entry for that platform, the host's for None: the nearest variant, the first of equals.

    A sole entry that names no platform is for any. NotFound names the platforms that there are.
    """
    wanted = parse(platform)
    ranked = [(_distance(wanted, _of(item)), item) for item in index.manifests if item.platform]
    fitting = [(distance, item) for distance, item in ranked if distance >= 0]
    if fitting:
        return min(fitting, key=lambda pair: pair[0])[1]
    open_ones = [item for item in index.manifests if not item.platform]
    if len(open_ones) == 1:
        return open_ones[0]
    there = sorted({show(_of(item)) for item in index.manifests if item.platform} - {"unknown/unknown"})
    raise NotFound(
        f"there is no image for {show(wanted)}: there is one for {', '.join(there[:20]) or 'no platform at all'}"
    )


def _of(item: Descriptor) -> Platform:
    given = item.platform or {}
    return _normal(str(given.get("os", "")), str(given.get("architecture", "")), str(given.get("variant", "")))


def _normal(system: str, architecture: str, variant: str) -> Platform:
    architecture = _SYNONYMS.get(architecture, architecture)
    # The first 64-bit ARM has no other variant than v8, which most leave out.
    return system, architecture, variant or {"arm64": "v8", "arm": "v7"}.get(architecture, "")


def _distance(wanted: Platform, there: Platform) -> int:
    """0 for the same, more for an older variant that the machine runs as well, -1 for what it can't run."""
    if wanted[:2] != there[:2]:
        return -1
    if wanted[2] == there[2]:
        return 0
    levels = [_level(wanted[2]), _level(there[2])]
    return levels[0] - levels[1] if 0 <= levels[1] < levels[0] else -1


def _level(variant: str) -> int:
    if not variant:
        return 0
    digits = variant[1:]
    return int(digits) if variant[0] == "v" and digits.isascii() and digits.isdigit() and len(digits) < 3 else -1
