# SPDX-License-Identifier: GPL-3.0-or-later
"""A range of 65,536 host ids for each container that has a user namespace: recorded, and never given to two that don't share it."""

from __future__ import annotations

import errno
import os

from ..errors import Conflict
from ..locks import Lock
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


def start_of(paths: Paths, ident: str) -> int | None:
    """The first host id of the range that `ident` holds, None when it holds none."""
    for offset in range(COUNT):
        number = (int(ident[:8], 16) + offset) % COUNT
        holder = _holder(_lease(paths, number))
        if holder in ("", ident):
            return FIRST + number * SIZE if holder else None
    return None


def release(paths: Paths, ident: str, start: int) -> None:
    """Give the range back, if `ident` is its holder; those that it shares it with go on to hold it. Idempotent."""
    lease = _lease(paths, (start - FIRST) // SIZE)
    with _lock(paths):
        if _holder(lease) != ident:
            return
        heirs = [heir for heir in _sharers(lease) if heir != ident and _exists(paths, heir)]
        if heirs:
            _hand_over(lease, heirs[0])
        else:
            os.unlink(lease)
            _drop_place(lease)


def holder(paths: Paths, start: int) -> str:
    """The container that holds the range, "" when nobody does."""
    return _holder(_lease(paths, (start - FIRST) // SIZE))


def share(paths: Paths, start: int, owner: str, ident: str) -> bool:
    """Let `ident` hold the range of `owner` as well, until `unshare`; False when that one no longer has it. Idempotent."""
    lease = _lease(paths, (start - FIRST) // SIZE)
    with _lock(paths):
        if _holder(lease) != owner:
            return False
        os.makedirs(_place(lease), mode=0o700, exist_ok=True)
        try:
            os.symlink(ident, f"{_place(lease)}/{ident}")
        except FileExistsError:
            return True
    return True


def unshare(paths: Paths, start: int, ident: str) -> None:
    """The end of `share`; a range whose owner has gone meanwhile goes with the last one that holds it. Idempotent."""
    lease = _lease(paths, (start - FIRST) // SIZE)
    if not os.path.isdir(_place(lease)):
        return
    with _lock(paths):
        try:
            os.unlink(f"{_place(lease)}/{ident}")
        except FileNotFoundError:
            pass  # it is not there twice
        _drop_place(lease)
    release(paths, ident, start)


def _lock(paths: Paths) -> Lock:
    """Held where looking and doing are two steps; taking a free range is one, and needs none."""
    return Lock(paths.locks, "id-ranges")


def _lease(paths: Paths, number: int) -> str:
    return f"{paths.leases}/ids-{number}"


def _place(lease: str) -> str:
    return f"{lease}.shared"


def _sharers(lease: str) -> list[str]:
    try:
        return sorted(os.listdir(_place(lease)))
    except FileNotFoundError:
        return []


def _drop_place(lease: str) -> None:
    try:
        os.rmdir(_place(lease))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
            raise


def _hand_over(lease: str, heir: str) -> None:
    scratch = f"{_place(lease)}/next"
    try:
        os.unlink(scratch)
    except FileNotFoundError:
        pass  # nobody was killed here before
    os.symlink(heir, scratch)
    os.rename(scratch, lease)


def _take(lease: str, paths: Paths, ident: str) -> bool:
    """The lease is a symbolic link whose target is the holder: made in one call, so it is never seen half written."""
    try:
        os.symlink(ident, lease)
    except FileExistsError:
        return _holder(lease) == ident or _take_from_the_dead(lease, paths, ident)
    return True


def _take_from_the_dead(lease: str, paths: Paths, ident: str) -> bool:
    """Whether the holder is a container that is no more, and `ident` has got its range."""
    if _exists(paths, _holder(lease)):
        return False
    with _lock(paths):
        before = _holder(lease)
        if before and (_exists(paths, before) or any(_exists(paths, heir) for heir in _sharers(lease))):
            return False
        if before:
            os.unlink(lease)
        try:
            os.symlink(ident, lease)
        except FileExistsError:
            return False
    return True


def _exists(paths: Paths, ident: str) -> bool:
    """Whether the container is there, or about to be."""
    if not ident:
        return False
    staged = f"container-{ident}"
    return os.path.isdir(paths.container(ident)) or any(name.startswith(staged) for name in os.listdir(paths.staging))


def _holder(lease: str) -> str:
    try:
        return os.readlink(lease)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return ""
        raise
