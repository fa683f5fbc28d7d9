# SPDX-License-Identifier: GPL-3.0-or-later
"""Letting the container's process become what it is for."""

from __future__ import annotations

from ..errors import Conflict, EngineError
from ..kernel import sockets
from ..kernel.sockets import Socket
from ..runtime import foreign_hooks, link
from . import config as configs
from . import ending, filters
from .store import Home, Known, state_of, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import Config


def start(root: str, ident: str, warn: Callable[[str], object]) -> None:
    """Start a container that is created; Conflict for any other. It runs its program when this returns.

    When a hook fails it is taken away; `warn` is told of hooks that fail at that.
    """
    with Home(root, ident) as home:
        known = home.read()
        word = status(home, known)
        door = home.knock() if word == "created" else None
        if door is None:
            raise Conflict(f"container {ident} is {word}, and only one that is created can be started")
        config = configs.reread(home.config(), known.bundle, known.rootfs)
        if config.process is None:
            raise Conflict(f"container {ident} has no process in its configuration: there is nothing to start")
        try:
            with door:
                let_go(door, config, ident, known)
            home.close_door()
            poststart(config, ident, known)
        except EngineError as error:
            if is_of_hook(error):
                ending.destroy(home, known, warn)
            raise


def let_go(end: Socket, config: Config, ident: str, known: Known) -> None:
    """Say "go", and come back when the program runs. The error that kept it from running is raised."""
    link.send(end, "go")
    while end.recv(1, sockets.MSG_PEEK):
        _said, fds = link.receive(end, "listener")
        filters.pass_on(config, fds[0], state_of(ident, known, "created"))


def poststart(config: Config, ident: str, known: Known) -> None:
    """Run the hooks that come after the start."""
    foreign_hooks.run_all("poststart", config.hooks("poststart"), state_of(ident, known, "running"), known.bundle)


def is_of_hook(error: EngineError) -> bool:
    """Whether a hook failed: the container is destroyed then (runtime.md, Lifecycle, steps 7 and 9)."""
    return str(error).startswith(("error running startContainer hook", "error running poststart hook"))
