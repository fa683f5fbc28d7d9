# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a container from the outside: forks its supervisor, does the caller's part in the middle, returns when it runs."""

from __future__ import annotations

import os
import socket

from . import link, supervisor
from .bundle import Bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable


def launch(
    bundle: Bundle,
    *,
    claim: int,
    client: socket.socket | None = None,
    meanwhile: Callable[[int], object],
    hooks: supervisor.Hooks,
) -> int:
    """The pid of the container's first process, which runs the user's command by now.

    `meanwhile(pid)` is called once the namespaces exist, while the root is being built, to connect the network; `hooks` run
    in the supervisor, which keeps the descriptor `claim`. `client` is attached before anything can be written.
    Errors are EngineErrors; nothing is left running then.
    """
    pid, starter = supervisor.fork(bundle, client, hooks, claim)
    try:
        return _follow(starter, meanwhile)
    except BaseException:
        starter.close()
        os.waitpid(pid, 0)
        raise
    finally:
        starter.close()


def _follow(starter: socket.socket, meanwhile: Callable[[int], object]) -> int:
    created, _fds = link.receive(starter, "created")
    meanwhile(int(created["pid"]))
    link.send(starter, "go")
    link.receive(starter, "started")
    return int(created["pid"])
