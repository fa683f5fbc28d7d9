# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes made before they are needed: they get ready on another processor while their command still reads and decides."""

from __future__ import annotations

import os

from ..kernel.sockets import Socket
from . import link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Nursling:
    """A process that waits for its order at the other end of `link`, and ends quietly when that is closed without one."""

    __slots__ = ("link", "pid")

    def __init__(self, pid: int, end: Socket) -> None:
        self.pid, self.link = pid, end


def prepare(life: Callable[[Socket], int]) -> Nursling:
    """Fork a process that lives `life(end of the link)` and ends with the status it returns. The caller has one thread.

    Little is imported yet when it is forked early: what it needs it imports on its own time.
    """
    ours, theirs = link.pair()
    pid = os.fork()
    if pid:
        theirs.close()
        return Nursling(pid, ours)
    code = 1
    try:
        ours.close()
        code = life(theirs)
    finally:
        os._exit(code)
