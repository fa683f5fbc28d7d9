# SPDX-License-Identifier: GPL-3.0-or-later
"""What is typed goes to a program in a container, what it says comes back: neither direction ever waits for the other."""

from __future__ import annotations

import abc
import errno
import os
import select

from ..errors import from_os
from ..kernel import signals as signal
from ..runtime import pty, wire
from . import say, terminal
from .signals import Heeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..kernel.sockets import Socket
    from ..runtime.joining import Session

_CHUNK = 1 << 16
_OWN: tuple[int, ...] = (signal.SIGWINCH, signal.SIGCONT, signal.SIGCHLD)
_GONE = (errno.EPIPE, errno.EIO)
_ERRORS = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Conversation(abc.ABC):
    """`source` is where input is read, -1 for none; `keys` finds the detach keys in it. Subclasses know the program's side.

    Afterwards `left` says that the user left by the detach keys, `unread` that nobody reads standard output any more.
    """

    def __init__(self, sink: int, outputs: set[int], source: int, keys: terminal.Keys | None) -> None:
        self.over = self.left = self.unread = False
        self._sink, self._outputs, self._source, self._keys = sink, outputs, source, keys
        self._pending = bytearray()

    def hold(self, handlers: dict[int, Callable[[int], object]], raw: terminal.Raw) -> None:
        """Until the program ends or the user leaves. `handlers` are for signals; the terminal's own are heeded here."""
        flags: set[int] = set()
        own: dict[int, Callable[[int], object]] = dict.fromkeys(_OWN, flags.add)
        with Heeded({**own, **handlers}) as heeded:
            self.begin()
            while not self.over:
                ready = self._wait(heeded.fd)
                if heeded.fd in ready:
                    heeded.clear()
                    self._heed(flags, raw)
                self._carry(ready)

    def _wait(self, wake: int) -> dict[int, int]:
        poll = select.poll()
        wanted = {wake: select.POLLIN, **dict.fromkeys(self._outputs, select.POLLIN)}
        if self._pending:
            wanted[self._sink] = wanted.get(self._sink, 0) | select.POLLOUT
        elif self._source >= 0:
            wanted[self._source] = select.POLLIN
        for fd, events in wanted.items():
            poll.register(fd, events)
        return dict(poll.poll())

    def _carry(self, ready: dict[int, int]) -> None:
        if ready.get(self._sink, 0) & (select.POLLOUT | _ERRORS) and self._pending:
            self._flush()
        for fd in tuple(self._outputs):
            if ready.get(fd, 0) & (select.POLLIN | _ERRORS) and not self.over:
                self.hear(fd)
        if ready.get(self._source, 0) and self._source >= 0 and not self.over:
            self._read_source()

    def _heed(self, flags: set[int], raw: terminal.Raw) -> None:
        if signal.SIGCONT in flags:
            raw.apply()
        if flags & {signal.SIGWINCH, signal.SIGCONT}:
            self.resize()
        if signal.SIGCHLD in flags:
            self.reap()
        flags.clear()

    def _read_source(self) -> None:
        try:
            data = os.read(self._source, _CHUNK)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno != errno.EIO:
                raise from_os(error, "read standard input") from error
            data = b""
        if not data:
            self._source = -1
            return self.finish_input()
        if self._keys:
            data = self._keys.feed(data)
            self.left = self.over = self._keys.left
        if data:
            self._put(self.wrap(data))
        return None

    def _put(self, data: bytes) -> None:
        self._pending += data
        self._flush()

    def _flush(self) -> None:
        try:
            while self._pending:
                del self._pending[: os.write(self._sink, self._pending)]
        except BlockingIOError:
            return None
        except OSError:
            # The program closed its input, or is gone, which its output will tell.
            self._pending.clear()
            self._source = -1
            return self.refused()
        if self._source < 0:
            self.all_sent()
        return None

    def _show(self, fd: int, data: bytes) -> None:
        try:
            say.write_all(fd, data)
        except OSError as error:
            if error.errno not in _GONE:
                raise from_os(error, f"write standard {'output' if fd == 1 else 'error'}") from error
            if fd == 1:
                self.unread = True
                self.nobody_reads()

    @abc.abstractmethod
    def begin(self) -> None:
        """Before the first wait."""

    @abc.abstractmethod
    def hear(self, fd: int) -> None:
        """An output is readable."""

    @abc.abstractmethod
    def resize(self) -> None:
        """The user's terminal has a new size."""

    def wrap(self, data: bytes) -> bytes:
        """Input as the sink wants it."""
        return data

    def finish_input(self) -> None:
        """The user's input has ended."""
        self.all_sent() if not self._pending else None

    def all_sent(self) -> None:
        """... and the sink has all of it."""
        return

    def refused(self) -> None:
        """The sink takes no more."""
        return

    def reap(self) -> None:
        """A child of this process has changed."""
        return

    def nobody_reads(self) -> None:
        """Our standard output is closed."""
        self.over = True


class Attached(Conversation):
    """With a container's first process, through its supervisor. `code` is its exit status, -1 when that never came."""

    def __init__(
        self, end: Socket, source: int, *, tty: bool, close: bool, unread: Callable[[], object] | None = None
    ) -> None:
        """`close` passes the end of the input on. `unread` is called when nobody reads the output; None: that ends it here."""
        end.setblocking(False)
        super().__init__(end.fileno(), {end.fileno()}, source, terminal.Keys() if tty and source >= 0 else None)
        self._end, self._tty, self._close, self._frames, self._unread = end, tty, close, wire.Reader(), unread
        self.code = -1

    def begin(self) -> None:
        if self._source < 0:
            self.finish_input()

    def hear(self, fd: int) -> None:
        try:
            data = self._end.recv(4 * _CHUNK)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self.over = True
        for kind, body in self._frames.feed(data):
            if kind == wire.EXIT:
                self.code, self.over = int(body), True
            elif not self.unread:
                self._show(2 if kind == wire.STDERR else 1, body)

    def resize(self) -> None:
        if self._tty:
            self._put(size_frame())

    def nobody_reads(self) -> None:
        if self._unread:
            self._unread()
        else:
            self.over = True

    def wrap(self, data: bytes) -> bytes:
        return wire.pack(wire.STDIN, data)

    def finish_input(self) -> None:
        if self._close and not self._tty:
            self._put(wire.pack(wire.CLOSE_STDIN))


class Joined(Conversation):
    """With a process that `exec` started: its pipes or its terminal are in our hands."""

    def __init__(self, session: Session, source: int) -> None:
        self._session = session
        terminal_fd = session.master
        streams = {terminal_fd: 1} if terminal_fd >= 0 else {session.stdout: 1, session.stderr: 2}
        sink = terminal_fd if terminal_fd >= 0 else session.stdin
        super().__init__(sink, set(streams), source, None)
        self._streams = streams
        for fd in {sink, *streams}:
            os.set_blocking(fd, False)

    def begin(self) -> None:
        if self._source < 0:
            self.all_sent()
        self.reap()

    def hear(self, fd: int) -> None:
        self._read(fd)
        self.over = not self._outputs

    def _read(self, fd: int) -> bool:
        """One chunk; False when there is nothing, now or ever."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # EIO: the last program has closed the terminal
        if not data:
            self._outputs.discard(fd)
            return False
        self._show(self._streams[fd], data)
        return True

    def resize(self) -> None:
        rows, columns = terminal.size(0)
        if self._session.master >= 0 and rows:
            pty.resize(self._session.master, rows, columns)

    def all_sent(self) -> None:
        self._session.close_stdin()

    def refused(self) -> None:
        self._session.close_stdin()

    def reap(self) -> None:
        """The process has ended; what it left behind may hold its streams open for ever, and nobody waits for that."""
        if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return
        for fd in tuple(self._outputs):
            while fd in self._outputs and self._read(fd):
                continue
        self.over = True

    def nobody_reads(self) -> None:
        """Close our end of its output: the process finds that out itself, when it writes."""
        if self._session.master >= 0:
            self.over = True
            return
        os.close(self._session.stdout)
        self._outputs.discard(self._session.stdout)
        self._session.stdout = -1


def size_frame() -> bytes:
    """A RESIZE frame for the terminal on standard input; nothing when it does not know its size."""
    rows, columns = terminal.size(0)
    return wire.pack(wire.RESIZE, rows.to_bytes(2, "big") + columns.to_bytes(2, "big")) if rows else b""
