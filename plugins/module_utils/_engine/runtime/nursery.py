# SPDX-License-Identifier: GPL-3.0-or-later
"""A supervisor made before it is needed: it gets ready on another processor while its command still reads and decides."""

from __future__ import annotations

import os

from ..kernel.sockets import Socket
from . import link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .supervisor import Hooks

    MakeHooks = Callable[[str, str], Hooks]


class Nursling:
    """A process that waits for a bundle at the other end of `link`; it ends quietly when that is closed without one."""

    __slots__ = ("link", "pid")

    def __init__(self, pid: int, end: Socket) -> None:
        self.pid, self.link = pid, end


def prepare(make_hooks: MakeHooks, get_ready: Callable[[], object], groups: tuple[str, ...], unified: str) -> Nursling:
    """Fork the supervisor of a container that the caller is going to start. The caller has one thread.

    `make_hooks(root, ident)` is called in it once the container is known, `get_ready()` before: it imports what the hooks
    will need. It lives in the cgroups `groups`, one of which is `unified`, so that it outlives the session of whoever
    starts it.
    """
    ours, theirs = link.pair()
    pid = os.fork()
    if pid:
        theirs.close()
        return Nursling(pid, ours)
    code = 1
    try:
        ours.close()
        from . import supervisor

        get_ready()
        code = supervisor.main(theirs, make_hooks, groups, unified)
    finally:
        os._exit(code)
