# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries a container's input and output: to the log always, to and from those who are attached while they are."""

from __future__ import annotations

import os

from ..kernel.sockets import Socket
from . import pty, wire
from .logfile import LogFile
from .loop import GONE, READ, WRITE, Loop

_CHUNK = 1 << 16
# A reader that is slower than the container slows it down, as a pipe would; this is how far it may fall behind.
_BACKLOG = 1 << 20


class Client:
    """One attached connection and what still has to be written to it."""

    __slots__ = ("end", "last", "pending", "reader")

    def __init__(self, end: Socket) -> None:
        self.end, self.pending, self.reader, self.last = end, bytearray(), wire.Reader(), False
        end.setblocking(False)


class Relay:
    """`outputs` maps readable descriptors to "stdout" or "stderr"; `stdin` is a writable descriptor or -1. Owns them all.

    `terminal` is a descriptor that RESIZE frames apply to, or -1.
    """

    __slots__ = (
        "_clients",
        "_closing",
        "_input",
        "_log",
        "_loop",
        "_outputs",
        "_paused",
        "_stdin",
        "_terminal",
        "_waiting",
    )

    def __init__(self, loop: Loop, log: LogFile | None, outputs: dict[int, str], stdin: int, terminal: int) -> None:
        self._loop, self._log, self._outputs, self._stdin, self._terminal = loop, log, outputs, stdin, terminal
        self._clients: list[Client] = []
        self._input = bytearray()
        self._paused = self._closing = self._waiting = False
        for fd in outputs:
            os.set_blocking(fd, False)
            loop.watch(fd, lambda _events, fd=fd: self._read_output(fd))  # type: ignore[misc]
        if stdin >= 0:
            os.set_blocking(stdin, False)

    def attach(self, end: Socket) -> None:
        """Send all output from now on to `end`, and take its input."""
        client = Client(end)
        self._clients.append(client)
        self._loop.watch(end.fileno(), lambda events: self._serve(client, events))

    def drain(self) -> None:
        """The container has ended: read what its streams still hold and complete the log."""
        for fd in tuple(self._outputs):
            while self._read_output(fd):
                continue
        if self._log:
            self._log.close()

    def say_last(self, frame: bytes) -> None:
        """Send everybody a last frame, and wait until those who are still attached have read everything."""
        for client in tuple(self._clients):
            client.pending += frame
            client.last = True
            self._flush(client)
        self._loop.run_while(lambda: bool(self._clients))

    def _read_output(self, fd: int) -> bool:
        """One chunk; False at the end of the stream, or when there is nothing now."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # EIO: the last program has closed the terminal
        stream = self._outputs[fd]
        if not data:
            self._loop.forget(fd)
            del self._outputs[fd]
            os.close(fd)
            return False
        if self._log:
            self._log.write(stream, data)
        frame = wire.pack(wire.STDERR if stream == "stderr" else wire.STDOUT, data)
        for client in tuple(self._clients):
            client.pending += frame
            self._flush(client)
        self._throttle()
        return True

    def _throttle(self) -> None:
        behind = any(len(client.pending) > _BACKLOG for client in self._clients)
        if behind != self._paused:
            self._paused = behind
            for fd in self._outputs:
                self._loop.change(fd, 0 if behind else READ)

    def _serve(self, client: Client, events: int) -> None:
        if events & WRITE:
            self._flush(client)
            self._throttle()
        if events & (READ | GONE) and client in self._clients:
            self._read_client(client)

    def _flush(self, client: Client) -> None:
        try:
            while client.pending:
                del client.pending[: client.end.send(client.pending)]
        except BlockingIOError:
            self._listen(client)
        except OSError:
            self._detach(client)
        else:
            if client.last:
                self._detach(client)
            else:
                self._listen(client)

    def _listen(self, client: Client) -> None:
        wanted = (0 if len(self._input) > _BACKLOG else READ) | (WRITE if client.pending else 0)
        self._loop.change(client.end.fileno(), wanted)

    def _read_client(self, client: Client) -> None:
        try:
            data = client.end.recv(_CHUNK)
            frames = client.reader.feed(data)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            data, frames = b"", []
        for kind, body in frames:
            self._obey(kind, body)
        if not data:
            self._detach(client)

    def _obey(self, kind: bytes, body: bytes) -> None:
        if kind == wire.STDIN and self._stdin >= 0:
            self._input += body
            self._write_input()
        elif kind == wire.CLOSE_STDIN:
            self.close_input()
        elif kind == wire.RESIZE and self._terminal >= 0 and len(body) == 4:
            pty.resize(self._terminal, int.from_bytes(body[:2], "big"), int.from_bytes(body[2:], "big"))

    def _write_input(self) -> None:
        try:
            while self._input:
                del self._input[: os.write(self._stdin, self._input)]
        except BlockingIOError:
            self._wait_for_input(True)
            return
        except OSError:
            self._input.clear()
        self._wait_for_input(False)
        if self._closing:
            os.close(self._stdin)
            self._stdin = -1

    def _wait_for_input(self, waiting: bool) -> None:
        if waiting == self._waiting:
            return
        self._waiting = waiting
        if waiting:
            self._loop.watch(self._stdin, lambda _events: self._write_input(), WRITE)
        else:
            self._loop.forget(self._stdin)
        for client in self._clients:
            self._listen(client)

    def close_input(self) -> None:
        """End of file for the container's standard input, once what was sent before is written. A terminal has none."""
        if self._stdin >= 0 and self._terminal < 0 and not self._closing:
            self._closing = True
            self._write_input()

    def _detach(self, client: Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self._loop.forget(client.end.fileno())
            client.end.close()
            self._throttle()
