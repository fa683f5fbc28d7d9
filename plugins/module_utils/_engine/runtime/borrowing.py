# SPDX-License-Identifier: GPL-3.0-or-later
"""A mount of another container, as a detached copy: nothing of that container's is trusted on the way to it."""

from __future__ import annotations

import os

from ..errors import EngineError, NotFound
from ..kernel import files, mounts, process
from . import link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from ..kernel.sockets import Socket


def is_inside(source: str) -> bool:
    """Whether `source` is a path in the root of another process, /proc/PID/root/..."""
    parts = source.split("/", 4)
    return len(parts) == 5 and parts[:2] == ["", "proc"] and parts[2].isdigit() and parts[3] == "root"


def open_inside(source: str, *, recursive: bool) -> int:
    """A detached copy of the mount at `source` (see is_inside). Links are not followed: they would lead to the host's files.

    The kernel copies mounts only from within their mount namespace, so a process goes there, and nobody in there can look
    into it.
    """
    pid, path = source.split("/", 4)[2], source.split("/", 4)[4]
    try:
        space = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"process {pid}, whose /{path} is to be shared, has ended: start its container first") from None
    ours, theirs = link.pair()
    child = os.fork()
    if child == 0:
        ours.close()
        _fetch(theirs, space, path, recursive=recursive)
    os.close(space)
    theirs.close()
    try:
        return link.receive(ours, "mount")[1][0]
    except EngineError as error:
        raise EngineError(f"/{path} of process {pid} can't be shared: {error}") from error
    finally:
        ours.close()
        os.waitpid(child, 0)


def _fetch(end: Socket, space: int, path: str, *, recursive: bool) -> NoReturn:
    try:
        process.set_dumpable(False)
        process.setns(space, process.NEWNS)
        # setns(2) has made the container's root this process's.
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        place = files.openat2(root, path, os.O_PATH, resolve=files.IN_ROOT | files.NO_SYMLINKS)
        link.send(end, "mount", fds=(mounts.open_tree("", directory=place, recursive=recursive),))
    except BaseException as error:
        link.send_error(end, error)
        os._exit(1)
    os._exit(0)
