# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth run`: a new container, and the user at it, or its id."""

from __future__ import annotations

from ...container.keeper import fork_connector, fork_supervisor
from ...kernel import sockets
from .. import say
from ..creation import OPTIONS, make
from ..options import Command, Option
from ..signals import unwind_on_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...container.record import Record
    from ...kernel.sockets import Socket
    from ...paths import Paths
    from ...runtime.nursery import Nursling
    from ..options import Given

COMMAND = Command(
    "run",
    "IMAGE [COMMAND [ARG...]]",
    "Make a container and start it. The exit status is the command's; 125 is an error of berth, 126 and 127 are a command that\n"
    "can't be executed or is not there. Ctrl-P Ctrl-Q leaves a terminal, and the container running.",
    (*OPTIONS, Option("-d --detach", "print its id and leave it running")),
    least=1,
    ends=True,
    runs_program=True,
)


def run(paths: Paths, given: Given) -> int:
    interactive, detach = given.flag("interactive"), given.flag("detach")
    if interactive and given.flag("tty") and not detach:
        from .. import terminal

        terminal.check()
    # They get ready on another processor while this process imports the rest and makes the container.
    supervisor = fork_supervisor(paths)
    connector = fork_connector(paths) if given.text("network") in (None, "bridge", "default") else None
    unwind_on_end()
    record = make(paths, given, started_next=True)
    if detach:
        _start(paths, record, None, (supervisor, connector))
        say.line(record.id)
        return 0
    ours, theirs = sockets.pair(sockets.SOCK_STREAM)
    with ours:
        with theirs:
            _start(paths, record, theirs, (supervisor, connector))
        from ..attaching import converse

        return converse(paths, record, ours, interactive=interactive, close=interactive, own=True)


def _start(paths: Paths, record: Record, client: Socket | None, helpers: tuple[Nursling, Nursling | None]) -> None:
    """A container that could not start was made for nothing."""
    from ...container.start import start

    try:
        start(
            paths,
            record,
            client=client,
            size=_size() if record.spec.tty else None,
            supervisor=helpers[0],
            connector=helpers[1],
            meanwhile=_get_ready if client else None,
        )
    except BaseException:
        from ...container.remove import remove

        remove(paths, record, force=True)
        raise


def _size() -> tuple[int, int]:
    from .. import terminal

    return terminal.size(0)


def _get_ready() -> None:
    from .. import attaching  # noqa: F401  (there is nothing else to do while the container is made)
