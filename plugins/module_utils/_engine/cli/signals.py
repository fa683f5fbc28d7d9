# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals that this process gets while it stands between a user and a program."""

from __future__ import annotations

import os

from ..errors import InvalidSpec
from ..kernel import signals as signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType
    from typing import Any

# What ends a process that does not heed it, and can be heeded.
ENDING: tuple[int, ...] = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
FORWARDED: tuple[int, ...] = (*ENDING, signal.SIGUSR1, signal.SIGUSR2)


class Signalled(BaseException):
    """Unwinds everything, so that what was half made is undone and the terminal restored, before this process ends."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


def leave(number: int, _frame: FrameType | None = None) -> None:
    """A handler that unwinds."""
    raise Signalled(number)


def unwind_on_end() -> None:
    """From now on signals that would end this process unwind it. A signal that the caller ignores (nohup) stays ignored."""
    for number in ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, leave)


class Heeded:
    """`with Heeded({SIGWINCH: handler}) as heeded:` sets handlers and puts back what was; each signal makes `fd` readable."""

    __slots__ = ("_before", "_handlers", "_wake", "fd")

    def __init__(self, handlers: Mapping[int, Callable[[int], object]]) -> None:
        self._handlers = handlers
        self._before: dict[int, Any] = {}
        self.fd = self._wake = -1

    def __enter__(self) -> Heeded:
        self.fd, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number, handler in self._handlers.items():
            if signal.getsignal(number) != signal.SIG_IGN or number not in ENDING:
                self._before[number] = signal.signal(number, _calling(handler))
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self._wake)

    def clear(self) -> None:
        """Make `fd` unreadable until the next signal."""
        try:
            while os.read(self.fd, 512):
                continue
        except BlockingIOError:
            return


def _calling(handler: Callable[[int], object]) -> Callable[[int, FrameType | None], None]:
    def call(number: int, _frame: FrameType | None) -> None:
        handler(number)

    return call


def named(text: str, option: str) -> str:
    """SIGTERM for TERM, SIGTERM, sigterm and 15; InvalidSpec for what is no signal."""
    try:
        return signal.name_of(signal.number_of(text))
    except InvalidSpec as error:
        raise InvalidSpec(f"{option}: {error}") from None
