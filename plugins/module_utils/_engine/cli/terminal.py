# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's terminal while a program inside a container has it: raw, and what it was before however that ends."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios

from ..errors import InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NO_SIZE = (0, 0)


def check() -> None:
    """InvalidSpec unless standard input is a terminal: half a terminal is no use to anybody."""
    if not os.isatty(0):
        raise InvalidSpec("the input device is not a TTY: leave out -t to connect a pipe or a file")


def size(fd: int) -> tuple[int, int]:
    """Rows and columns; zeros when it is no terminal or does not know."""
    try:
        rows, columns, _unused, _unused = struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
    except OSError:
        return _NO_SIZE
    return rows, columns


class Raw:
    """`with Raw(0):` every key is a byte for the program; leaving it restores the terminal. No terminal: nothing happens."""

    __slots__ = ("_before", "_fd")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._before: list[Any] | None = None

    def __enter__(self) -> Raw:
        if os.isatty(self._fd):
            self._before = termios.tcgetattr(self._fd)
            self.apply()
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            return
        try:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)
        except termios.error as error:
            if error.args[0] != errno.EIO:  # the terminal itself is gone
                raise
        self._before = None

    def apply(self) -> None:
        """Once more, after a stop in which a shell may have set the terminal to its own liking."""
        if self._before is not None:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, raw(self._before))


def raw(before: list[Any]) -> list[Any]:
    """cfmakeraw(3) applied to what tcgetattr gave."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, characters = before
    iflag &= ~(
        termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
        | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON
    )  # fmt: skip
    lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    cflag = cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    characters = [*characters]
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    return [iflag, oflag & ~termios.OPOST, cflag, lflag, ispeed, ospeed, characters]


class Keys:
    """Finds Ctrl-P Ctrl-Q in what is typed: `feed` returns what goes on to the program; `left` is true from then on."""

    __slots__ = ("_held", "left")

    def __init__(self) -> None:
        self._held, self.left = b"", False

    def feed(self, data: bytes) -> bytes:
        """The first key alone is held back until the next one decides; what comes after both is dropped."""
        data = self._held + data
        self._held = b""
        before, found, _unused = data.partition(b"\x10\x11")
        if found:
            self.left = True
            return before
        if data.endswith(b"\x10"):
            self._held, data = b"\x10", data[:-1]
        return data
