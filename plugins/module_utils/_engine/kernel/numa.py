# SPDX-License-Identifier: GPL-3.0-or-later
"""From which nodes a process gets its memory: set_mempolicy(2), in the words of config.json."""

from __future__ import annotations

import errno

from ..errors import InvalidSpec, KernelError, Unsupported
from .libc import syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

# include/uapi/linux/mempolicy.h.
MODES = {
    "MPOL_DEFAULT": 0, "MPOL_PREFERRED": 1, "MPOL_BIND": 2, "MPOL_INTERLEAVE": 3, "MPOL_LOCAL": 4, "MPOL_PREFERRED_MANY": 5,
    "MPOL_WEIGHTED_INTERLEAVE": 6,
}  # fmt: skip
FLAGS = {"MPOL_F_STATIC_NODES": 1 << 15, "MPOL_F_RELATIVE_NODES": 1 << 14, "MPOL_F_NUMA_BALANCING": 1 << 13}


def mode_of(entry: dict[str, Any]) -> int:
    """config.json's "memoryPolicy" without its nodes. InvalidSpec for other words."""
    if entry.get("mode") not in MODES:
        raise InvalidSpec(f"linux.memoryPolicy.mode: {entry.get('mode')!a} is none: write one such as MPOL_BIND")
    for flag in entry.get("flags") or ():
        if flag not in FLAGS:
            raise InvalidSpec(f"linux.memoryPolicy.flags: {flag!a} is none: write one such as MPOL_F_STATIC_NODES")
    return MODES[entry["mode"]] | sum(FLAGS[flag] for flag in set(entry.get("flags") or ()))


def set_policy(entry: dict[str, Any], nodes: Collection[int]) -> None:
    """set_mempolicy(2) for this thread and what it will execute. The kernel takes nodes of the cpuset only."""
    mode = mode_of(entry)
    words = 1 + max(nodes, default=0) // 64
    mask = sum(1 << node for node in nodes).to_bytes(8 * words, "little")
    try:
        # The kernel counts one bit less than it is told.
        syscall("set_mempolicy", mode, mask, 64 * words + 1, subject=str(entry["mode"]))
    except KernelError as error:
        if error.errno == errno.ENOSYS:
            raise Unsupported("linux.memoryPolicy: this kernel knows no memory nodes: leave it out") from error
        if error.errno == errno.EINVAL:
            raise InvalidSpec(
                f"linux.memoryPolicy: the kernel does not take {entry['mode']} with these flags and nodes"
                f" {entry.get('nodes') or 'none'}: are they memory nodes that the container may use?"
            ) from error
        raise
