# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a file or a tree is as it was, told from its inodes alone; any write, rename or chmod changes a ctime."""

from __future__ import annotations

import os
import time

from ..digests import light_sha256
from .tree import walk

# The kernel stamps ctime by ticks of at most 10 ms: what changed that short a while ago could change again unseen.
_TICK = 20_000_000


class Fingerprint:
    """Collects statuses; `value` is "" when something changed so lately that equality would prove nothing."""

    def __init__(self) -> None:
        self._hash = light_sha256()
        self._start = time.time_ns()
        self._newest = 0

    def add(self, path: bytes, status: os.stat_result) -> None:
        """Count one name in."""
        self._newest = max(self._newest, status.st_ctime_ns)
        self._hash.update(
            b"%s\0%d %d %d %d %d %d %d %d\0"
            % (
                path, status.st_ino, status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_mtime_ns,
                status.st_ctime_ns, status.st_rdev,
            )
        )  # fmt: skip

    @property
    def value(self) -> str:
        """64 hexadecimal digits, or ""."""
        if self._start - _TICK <= self._newest:
            return ""
        return self._hash.hexdigest()


def of_file(descriptor: int) -> str:
    """The fingerprint of one open file; for one that was written just now, the tick is waited out."""
    for pause in (0.0, 1.5 * _TICK / 1e9):
        time.sleep(pause)
        found = Fingerprint()
        found.add(b"", os.fstat(descriptor))
        if found.value:
            break
    return found.value


def of_tree(root: int) -> str:
    """The fingerprint of everything below a directory."""
    found = Fingerprint()
    found.add(b"", os.fstat(root))
    for node in walk(root):
        found.add(node.path, node.stat)
    return found.value
