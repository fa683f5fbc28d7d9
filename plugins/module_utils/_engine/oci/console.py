# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets the other side of a container's terminal: whoever listens at the console socket, or the command in the foreground."""

from __future__ import annotations

import os

from ..errors import InvalidSpec
from ..kernel import process
from .filters import send_fd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def check(wanted: dict[str, Any] | None, path: str, *, detached: bool) -> None:
    """InvalidSpec for a terminal that nobody would hold, and for a console socket without a terminal."""
    terminal = bool(wanted and wanted.get("terminal"))
    if terminal and detached and not path:
        raise InvalidSpec("process.terminal is true and nobody would hold the terminal: give --console-socket")
    if path and not terminal:
        raise InvalidSpec("--console-socket makes sense only when process.terminal is true")


def plain(master: int) -> None:
    """Leave ends of lines as they are written, where it is no terminal that shows them: for one, its own side adds what it wants."""
    if os.isatty(1):
        return
    import termios

    words = termios.tcgetattr(master)
    words[1] &= ~termios.ONLCR
    termios.tcsetattr(master, termios.TCSANOW, words)


def send_pidfd(path: str, pid: int) -> None:
    """Give a descriptor of a process (pidfd_open(2)) to whoever listens at `path`."""
    pidfd = process.open_pidfd(pid)
    try:
        send_fd(path, b"pidfd", pidfd)
    finally:
        os.close(pidfd)


def send(path: str, master: int) -> None:
    """Give the terminal away, with its name as the message, and close it."""
    try:
        send_fd(path, b"/dev/ptmx", master)
    finally:
        os.close(master)
