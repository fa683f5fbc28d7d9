# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount points that every container needs, in one directory that lies below every image: a start then makes none itself.

An image's own files win over it. It is the engine's and no part of any image: commits and diffs never show it.
"""

from __future__ import annotations

import errno
import os

from ..errors import from_os
from ..paths import Paths
from ..storage.staging import Staging

_DIRECTORIES = ("dev", "etc", "proc", "sys")
_FILES = ("etc/hosts", "etc/hostname", "etc/resolv.conf")
# Another content has another number: containers may be running on the old one.
_VERSION = 1

MOUNT_POINTS: tuple[bytes, ...] = tuple(path.encode() for path in (*_DIRECTORIES, *_FILES))
"""What it holds, without a leading slash."""


def ensure(paths: Paths) -> str:
    """The directory, made if this root has none yet; one stat if it has. Two may do so at once, and one may be killed."""
    place = f"{paths.skeletons}/{_VERSION}"
    if not os.path.isdir(place):
        try:
            os.makedirs(paths.skeletons, mode=0o700, exist_ok=True)
            with Staging(paths, "skeleton") as staged:
                _publish(_make(f"{staged.path}/tree"), place)
        except OSError as error:
            raise from_os(error, f"make {place}") from error
    return place


def _make(top: str) -> str:
    """Not synced: a start makes the mount points that a power cut took."""
    for path in (top, *(f"{top}/{name}" for name in _DIRECTORIES)):
        os.mkdir(path)
        os.chmod(path, 0o755)  # whatever the caller's umask is
    for name in _FILES:
        descriptor = os.open(f"{top}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
        os.fchmod(descriptor, 0o644)
        os.close(descriptor)
    return top


def _publish(tree: str, place: str) -> None:
    try:
        os.rename(tree, place)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
