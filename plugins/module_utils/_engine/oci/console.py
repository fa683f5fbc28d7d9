# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets the other side of a container's terminal: whoever listens at the console socket, or the command in the foreground."""

from __future__ import annotations

import os

from ..errors import InvalidSpec
from .filters import send_fd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def check(process: dict[str, Any] | None, path: str, *, detached: bool) -> None:
    """InvalidSpec for a terminal that nobody would hold, and for a console socket without a terminal."""
    terminal = bool(process and process.get("terminal"))
    if terminal and detached and not path:
        raise InvalidSpec("process.terminal is true and nobody would hold the terminal: give --console-socket")
    if path and not terminal:
        raise InvalidSpec("--console-socket makes sense only when process.terminal is true")


def send(path: str, master: int) -> None:
    """Give the terminal away, with its name as the message, and close it."""
    try:
        send_fd(path, b"/dev/ptmx", master)
    finally:
        os.close(master)
