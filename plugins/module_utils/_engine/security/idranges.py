# SPDX-License-Identifier: GPL-3.0-or-later
"""A range of 65,536 host ids for each container that has a user namespace: recorded, and never given twice."""

from __future__ import annotations

import errno
import os

from ..errors import Conflict
from ..paths import Paths

SIZE = 65_536
# Above the ranges that distributions hand to people in /etc/subuid, below the ids that the kernel keeps for itself.
FIRST, COUNT = 1 << 29, 16_384


def reserve(paths: Paths, ident: str) -> int:
    """The first host id of the range now held by container `ident`; one file per range, made with O_EXCL, is the lease.

    The search begins at a place given by the id, so it takes one try until thousands are in use.
    """
    for offset in range(COUNT):
        number = (int(ident[:8], 16) + offset) % COUNT
        if _take(_lease(paths, number), paths, ident):
            return FIRST + number * SIZE
    raise Conflict(f"all {COUNT} id ranges for user namespaces are in use: remove containers, or use userns_mode: host")


def forget(paths: Paths, ident: str) -> None:
    """Give back what a container that was never finished may hold. Idempotent."""
    for offset in range(COUNT):
        number = (int(ident[:8], 16) + offset) % COUNT
        holder = _holder(_lease(paths, number))
        if holder in ("", ident):
            release(paths, ident, FIRST + number * SIZE)
            return


def release(paths: Paths, ident: str, start: int) -> None:
    """Give the range back, if `ident` is still its holder. Idempotent."""
    lease = _lease(paths, (start - FIRST) // SIZE)
    if _holder(lease) == ident:
        os.unlink(lease)


def _lease(paths: Paths, number: int) -> str:
    return f"{paths.leases}/ids-{number}"


def _take(lease: str, paths: Paths, ident: str) -> bool:
    """The lease is a symbolic link whose target is the holder: made in one call, so it is never seen half written."""
    try:
        os.symlink(ident, lease)
    except FileExistsError:
        holder = _holder(lease)
        if holder == ident:
            return True
        if _exists(paths, holder):
            return False
        os.unlink(lease)
        return _take(lease, paths, ident)
    return True


def _exists(paths: Paths, ident: str) -> bool:
    """Whether the container is there, or about to be."""
    staged = f"container-{ident}"
    return os.path.isdir(paths.container(ident)) or any(name.startswith(staged) for name in os.listdir(paths.staging))


def _holder(lease: str) -> str:
    try:
        return os.readlink(lease)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return ""
        raise
