# SPDX-License-Identifier: GPL-3.0-or-later
"""The user at a container's first process: for `run`, `start -a` and `attach`."""

from __future__ import annotations

import os

from ..container.signalling import send
from ..errors import EngineError
from ..kernel import signals as signal
from . import say, terminal
from .conversation import Attached
from .signals import ENDING, FORWARDED, leave

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..container.record import Record
    from ..kernel.sockets import Socket
    from ..paths import Paths

UNREAD = 128 + signal.SIGPIPE


def converse(
    paths: Paths,
    record: Record,
    end: Socket,
    *,
    interactive: bool,
    close: bool,
    proxy: bool = True,
    own: bool = False,
) -> int:
    """Until the container ends or the user leaves; the exit status. EngineError when the supervisor was lost.

    `close` passes the end of the input on. With `proxy`, signals are sent on to the container, unless a terminal does that.
    `own` says that the container is ours alone: when nobody reads its output any more, it is killed, as SIGPIPE would.
    """
    tty = record.spec.tty
    with_terminal = tty and interactive and os.isatty(0)

    def forward(number: int) -> None:
        send(paths, record, str(number))

    handlers: dict[int, Callable[[int], object]] = dict.fromkeys(FORWARDED, forward)
    if with_terminal or not proxy:
        handlers = dict.fromkeys(ENDING, leave)
    talk = Attached(
        end,
        0 if interactive else -1,
        tty=tty,
        close=close,
        unread=(lambda: send(paths, record, "SIGKILL")) if own else None,
    )
    with terminal.Raw(0 if with_terminal else -1) as raw:
        talk.hold(handlers, raw)
    if talk.left:
        say.error(f"left container {record.name}, which goes on running: berth attach {record.name} comes back")
        return 0
    if talk.unread:
        return UNREAD
    if talk.code < 0:
        raise EngineError(
            f"the supervisor of container {record.name} was killed: berth ps -a tells whether it still runs"
        )
    return talk.code
