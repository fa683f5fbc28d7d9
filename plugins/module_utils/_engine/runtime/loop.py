# SPDX-License-Identifier: GPL-3.0-or-later
"""A small event loop: descriptors, the events they wait for, and what to call."""

from __future__ import annotations

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

READ, WRITE, GONE = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP | select.EPOLLERR


class Loop:
    """`run` calls back until `stop`; a callback may watch, change and forget descriptors, its own included."""

    __slots__ = ("_callbacks", "_poll", "_running", "_overdue", "_timeout")

    def __init__(self) -> None:
        self._timeout: Callable[[], float | None] | None = None
        self._overdue: Callable[[], object] | None = None
        self._poll = select.epoll()
        self._callbacks: dict[int, Callable[[int], object]] = {}
        self._running = True

    def watch(self, fd: int, callback: Callable[[int], object], events: int = READ) -> None:
        """Call `callback(events)` when `fd` is ready."""
        self._poll.register(fd, events)
        self._callbacks[fd] = callback

    def change(self, fd: int, events: int) -> None:
        """Wait for other events on `fd`."""
        self._poll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Stop watching `fd`; it may be closed afterwards."""
        if self._callbacks.pop(fd, None):
            self._poll.unregister(fd)

    def keep_time(self, timeout: Callable[[], float | None], overdue: Callable[[], object]) -> None:
        """Call `overdue()` when nothing happened for `timeout()` seconds (None: no limit)."""
        self._timeout, self._overdue = timeout, overdue

    def stop(self) -> None:
        """Return from `run` after the current callback."""
        self._running = False

    def run(self) -> None:
        """Until `stop`."""
        self.run_while(lambda: self._running)

    def run_while(self, wanted: Callable[[], bool]) -> None:
        """As long as `wanted()` is true."""
        while wanted():
            ready = self._poll.poll(self._timeout() if self._timeout else None)
            if not ready and self._overdue:
                self._overdue()
            for fd, events in ready:
                callback = self._callbacks.get(fd)
                if callback:
                    callback(events)
