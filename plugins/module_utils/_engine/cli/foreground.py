# SPDX-License-Identifier: GPL-3.0-or-later
"""Standing between a user and a process that is a child of ours: signals go to it, its terminal is the user's, its status is ours."""

from __future__ import annotations

import os
import select

from ..kernel import process
from ..kernel import signals as signal
from ..runtime import pty
from . import say, terminal
from .signals import Heeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1 << 16
# Those that this process needs for itself, or that can't be heeded.
_OWN = (signal.SIGCHLD, signal.SIGWINCH, signal.SIGPIPE, signal.SIGKILL, 19)
_LAST_PLAIN = 31


def stay(pid: int, master: int, begin: Callable[[], object]) -> int:
    """Call `begin`, then wait for the end of child `pid`: its exit status, as a shell shows it.

    `master` is the terminal that it has, -1 for none, and is closed. Every signal that this process gets is passed on.
    """
    pidfd = process.open_pidfd(pid)
    handlers: dict[int, Callable[[int], object]] = {
        number: lambda number: process.send_signal(pidfd, number)
        for number in range(1, _LAST_PLAIN + 1)
        if number not in _OWN
    }
    handlers[signal.SIGWINCH] = lambda _number: _resize(master)
    try:
        with Heeded(handlers) as heeded, terminal.Raw(0 if master >= 0 else -1):
            begin()
            _resize(master)
            _carry(pidfd, master, heeded)
    finally:
        os.close(pidfd)
        if master >= 0:
            os.close(master)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 128 - code if code < 0 else code


def _resize(master: int) -> None:
    rows, columns = terminal.size(0)
    if master >= 0 and rows and columns:
        pty.resize(master, rows, columns)


def _carry(pidfd: int, master: int, heeded: Heeded) -> None:
    poll = select.poll()
    poll.register(heeded.fd, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    if master >= 0:
        poll.register(master, select.POLLIN)
        poll.register(0, select.POLLIN)
    while True:
        ready = dict(poll.poll())
        if heeded.fd in ready:
            heeded.clear()
        if master in ready and not _copy(master, 1):
            poll.unregister(master)
            master = -1
        if 0 in ready and (master < 0 or not _copy(0, master)):
            poll.unregister(0)
        if pidfd in ready:
            break
    while master >= 0 and select.select((master,), (), (), 0)[0] and _copy(master, 1):
        continue


def _copy(source: int, sink: int) -> bool:
    """False at the end of either side; a terminal ends with EIO."""
    try:
        data = os.read(source, _CHUNK)
        say.write_all(sink, data)
    except OSError:
        return False
    return bool(data)
