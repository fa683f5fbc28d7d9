# SPDX-License-Identifier: GPL-3.0-or-later
"""How a process gets into its cgroups without waiting: born into the unified one, and a thread that moves itself into the others."""

from __future__ import annotations

import errno
import os

from ..errors import Unsupported
from ..kernel import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_REALTIME = (os.SCHED_FIFO, os.SCHED_RR)


def fork(unified: str, flags: int = 0) -> int:
    """A child born in the group at `unified` ("" for none), in new namespaces `flags`: 0 in the child, else its pid.

    A move on the unified hierarchy stops every fork and exit on the host for a grace period, some 15 ms; birth does not.
    """
    group = os.open(unified, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if unified else -1
    try:
        return process.clone(flags, group)
    finally:
        if group >= 0:
            os.close(group)


def join(directories: Iterable[str], unified: str) -> None:
    """Move this process, which has one thread, into its groups but for `unified`, where it was born.

    On version 1 a single thread that moves itself through `tasks` takes no lock that others wait for: 0.5 ms for ten
    hierarchies. Where there is no such file (version 2 without clone3's CLONE_INTO_CGROUP) it is the slow way.
    """
    for directory in directories:
        if directory != unified and not _write(f"{directory}/tasks"):
            _write(f"{directory}/cgroup.procs")


def _write(path: str) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        os.write(fd, b"0")
    except OSError as error:
        if error.errno == errno.EINVAL and os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK in _REALTIME:
            raise Unsupported(
                f"process.scheduler: {path} takes no realtime process without a share of the processors: give one by "
                "linux.resources.cpu.realtimeRuntime, or leave SCHED_FIFO and SCHED_RR out"
            ) from error
        raise
    finally:
        os.close(fd)
    return True
