# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for processes that are not our children, many at once and once for all."""

from __future__ import annotations

import errno
import os
import select
import time

from ..errors import KernelError
from ..kernel import process


def wait_for_end(pids: tuple[int, ...], patience: float) -> tuple[int, ...]:
    """The pids that have not ended after `patience` seconds; the caller has checked who they are."""
    poll, waiting = select.poll(), {}
    for pid in pids:
        try:
            fd = process.open_pidfd(pid)
        except KernelError as error:
            if error.errno != errno.ESRCH:
                raise
            continue
        waiting[fd] = pid
        poll.register(fd, select.POLLIN)
    end = time.monotonic() + patience
    while waiting:
        left = end - time.monotonic()
        ready = poll.poll(max(left, 0) * 1000)
        for fd, _events in ready:
            poll.unregister(fd)
            os.close(fd)
            del waiting[fd]
        if not ready and left <= 0:
            break
    for fd in waiting:
        os.close(fd)
    return tuple(waiting.values())
