# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting a container from the outside: gives a supervisor its bundle, does the caller's part in the middle, returns when it runs."""

from __future__ import annotations

import os

from ..kernel import sockets
from ..kernel.sockets import Socket
from . import link
from .nursery import Nursling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def launch(
    supervisor: Nursling,
    directory: str,
    run: str,
    *,
    claim: int,
    shelter: str = "",
    client: Socket | None = None,
    meanwhile: Callable[[], object],
    connect: Callable[[int], object],
) -> int:
    """The pid of the first process of the container whose saved bundle is in `directory` and `run`; it runs its command by now.

    `meanwhile()` is called while the namespaces are being made, to get ready for `connect(pid)`, which is called once they
    exist, while the root is being built. The supervisor keeps the descriptor `claim`, and lives in the unified group
    `shelter` if it does not know its own. `client` is attached before anything
    can be written. Errors are EngineErrors; nothing is left running then.
    """
    fds = (claim, client.fileno()) if client else (claim,)
    try:
        link.send(supervisor.link, "bundle", {"directory": directory, "run": run, "shelter": shelter}, fds)
        meanwhile()
        return _follow(supervisor.link, connect)
    except BaseException:
        _wait_for_end(supervisor.link)
        raise
    finally:
        supervisor.link.close()
        os.waitpid(supervisor.pid, 0)


def _wait_for_end(starter: Socket) -> None:
    """Let the supervisor see that it is on its own, and wait until it has taken back what it made."""
    try:
        starter.shutdown(sockets.SHUT_WR)
        while starter.recv(1):
            continue
    except OSError:
        return


def _follow(starter: Socket, connect: Callable[[int], object]) -> int:
    created, _fds = link.receive(starter, "created")
    connect(int(created["pid"]))
    link.send(starter, "go")
    link.receive(starter, "started")
    return int(created["pid"])
