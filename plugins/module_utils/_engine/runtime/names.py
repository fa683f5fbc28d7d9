# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS responder on 127.0.0.11 of one container, run by its supervisor: it answers for the names of the container's network
from a directory and passes everything else to the host's name servers. No packet can stop it, block it or make it grow."""

from __future__ import annotations

import errno
import os
import select
import time

from ..kernel import process, sockets
from ..kernel.sockets import Socket
from .dns import LARGEST, answer, failure, parse_servers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

ADDRESS, PORT = "127.0.0.11", 53
RESOLV_CONF = "/etc/resolv.conf"
PATIENCE = 2.0
MOST_QUESTIONS, MOST_CALLERS, CALLER_PATIENCE = 256, 16, 10.0
_BURST = 64
_SMALLEST = 12
_IP_FREEBIND = 15


def open_responder(
    namespace: int, names_dir: str, upstreams: Sequence[str] = (), *, address: tuple[str, int] = (ADDRESS, PORT)
) -> Responder:
    """A responder whose sockets are in the network namespace of the descriptor `namespace`.

    `upstreams` are asked in their order; without any, those of the host's /etc/resolv.conf, read again when it changes.
    The calling process has one thread. The caller closes the responder: its sockets keep the namespace alive.
    """
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        process.setns(namespace, process.NEWNET)
        try:
            packets, calls = _listen(address)
        finally:
            process.setns(home, process.NEWNET)
    finally:
        os.close(home)
    return Responder(packets, calls, names_dir, tuple(upstreams))


def _listen(address: tuple[str, int]) -> tuple[Socket, Socket]:
    packets = Socket(sockets.AF_INET, sockets.SOCK_DGRAM | sockets.SOCK_NONBLOCK | sockets.SOCK_CLOEXEC)
    calls = Socket(sockets.AF_INET, sockets.SOCK_STREAM | sockets.SOCK_NONBLOCK | sockets.SOCK_CLOEXEC)
    try:
        for door in (packets, calls):
            # A name server of the container's own on 0.0.0.0:53 can then share the port for UDP, if it sets this too.
            door.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
            # Bound at once, also while lo is still down.
            door.setsockopt(sockets.IPPROTO_IP, _IP_FREEBIND, 1)
            door.bind(address)
        calls.listen(MOST_CALLERS)
    except BaseException:
        packets.close()
        calls.close()
        raise
    return packets, calls


class _Question:
    """One packet on its way to a name server: who asked, and which servers are still to be tried."""

    __slots__ = ("caller", "deadline", "door", "packet", "servers", "token")

    def __init__(self, caller: tuple[str, int], packet: bytes, servers: list[str]) -> None:
        self.caller, self.packet, self.servers = caller, packet, servers
        self.door: Socket | None = None
        self.token, self.deadline = b"", 0.0


class _Call:
    """One TCP connection: with a client inside, or with a name server outside, whose `partner` is the client's."""

    __slots__ = ("deadline", "door", "incoming", "outgoing", "partner", "question")

    def __init__(self, door: Socket, deadline: float) -> None:
        self.door, self.deadline = door, deadline
        self.incoming, self.outgoing, self.question = bytearray(), bytearray(), b""
        self.partner: _Call | None = None


class Responder:
    """Poll `fds()` for reading, no longer than `timeout()`, then call `handle`; it never blocks and never raises for a packet."""

    def __init__(
        self,
        packets: Socket,
        calls: Socket,
        names_dir: str,
        upstreams: tuple[str, ...],
        resolv: str = RESOLV_CONF,
    ) -> None:
        self._packets, self._listener, self._names, self._given, self._resolv = (
            packets,
            calls,
            names_dir,
            upstreams,
            resolv,
        )
        self._read_at: tuple[int, int] = (-1, -1)
        self._servers: tuple[str, ...] = upstreams
        self._questions: dict[int, _Question] = {}
        self._calls: dict[int, _Call] = {}
        self._poll = select.epoll()
        self._poll.register(packets, select.EPOLLIN)
        self._poll.register(calls, select.EPOLLIN)

    def fds(self) -> tuple[int, ...]:
        """One descriptor, readable when any of the responder's sockets has something; it stays the same."""
        return (self._poll.fileno(),)

    def timeout(self) -> float | None:
        """Seconds until `handle` is due even if nothing becomes readable; None when nothing is under way."""
        times = [item.deadline for item in self._questions.values()] + [item.deadline for item in self._calls.values()]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def handle(self, fd: int = -1) -> None:
        """Do what can be done now. `fd` is the readable one of `fds()`; without it only what is overdue is dealt with."""
        if fd >= 0:
            for ready, events in self._poll.poll(0):
                self._dispatch(ready, events)
        self._expire(time.monotonic())

    def close(self) -> None:
        """Close every socket. Idempotent."""
        for question in list(self._questions.values()):
            self._forget(question)
        for call in list(self._calls.values()):
            self._hang_up(call)
        for door in (self._packets, self._listener, self._poll):
            door.close()

    def _dispatch(self, ready: int, events: int) -> None:
        if ready == self._packets.fileno():
            self._read_packets()
        elif ready == self._listener.fileno():
            self._accept()
        elif ready in self._questions:
            self._read_answer(self._questions[ready])
        elif ready in self._calls:
            self._converse(self._calls[ready], events)

    # --- UDP ---

    def _read_packets(self) -> None:
        for _unused in range(_BURST):
            try:
                packet, caller = self._packets.recvfrom(LARGEST)
            except OSError:
                return
            reply = answer(packet, self._look_up)
            if reply:
                self._reply(reply, caller)
            elif reply is None:
                self._ask(_Question(caller, packet, list(self._upstreams())))

    def _reply(self, packet: bytes, caller: tuple[str, int]) -> None:
        try:
            self._packets.sendto(packet, caller)
        except OSError:
            return  # the client has gone, or its buffer is full: it asks again

    def _ask(self, question: _Question) -> None:
        """Send the question to the next server that takes it; SERVFAIL when there is none left."""
        self._forget(question)
        while question.servers:
            if self._send(question, question.servers.pop(0)):
                return
        self._reply(failure(question.packet), question.caller)

    def _send(self, question: _Question, server: str) -> bool:
        """A socket of its own for every question: a port that nobody can guess, and an answer from nobody else."""
        if len(self._questions) >= MOST_QUESTIONS:
            self._forget(next(iter(self._questions.values())))
        door = _open_to(server, sockets.SOCK_DGRAM)
        if door is None:
            return False
        question.token = os.urandom(2)
        try:
            door.connect((server, PORT))
            door.send(question.token + question.packet[2:])
        except OSError:
            door.close()
            return False
        question.door, question.deadline = door, time.monotonic() + PATIENCE
        self._questions[door.fileno()] = question
        self._poll.register(door, select.EPOLLIN)
        return True

    def _read_answer(self, question: _Question) -> None:
        if question.door is None:
            return
        try:
            packet = question.door.recv(LARGEST)
        except BlockingIOError:
            return
        except OSError:
            self._ask(question)  # refused: the next server
            return
        if packet[:2] == question.token and len(packet) >= _SMALLEST and packet[2] & 0x80:
            self._forget(question)
            self._reply(question.packet[:2] + packet[2:], question.caller)

    def _forget(self, question: _Question) -> None:
        if question.door is not None:
            self._questions.pop(question.door.fileno(), None)
            self._poll.unregister(question.door)
            question.door.close()
            question.door = None

    # --- TCP ---

    def _accept(self) -> None:
        for _unused in range(MOST_CALLERS):
            try:
                door = self._listener.accept()
            except OSError:
                return
            door.setblocking(False)
            while len(self._calls) >= 2 * MOST_CALLERS:
                self._hang_up(next(iter(self._calls.values())))
            self._add(_Call(door, time.monotonic() + CALLER_PATIENCE), select.EPOLLIN)

    def _add(self, call: _Call, events: int) -> None:
        self._calls[call.door.fileno()] = call
        self._poll.register(call.door, events)

    def _converse(self, call: _Call, events: int) -> None:
        try:
            if call.outgoing and events & select.EPOLLOUT:
                sent = call.door.send(call.outgoing, sockets.MSG_NOSIGNAL)
                del call.outgoing[:sent]
                if call.outgoing:
                    return
                self._poll.modify(call.door, select.EPOLLIN)
            elif events & ~select.EPOLLOUT:
                chunk = call.door.recv(LARGEST)
                if not chunk or len(call.incoming) > LARGEST:
                    self._hang_up(call)
                    return
                call.incoming += chunk
        except BlockingIOError:
            return
        except OSError:
            self._hang_up(call)
            return
        self._take_message(call)

    def _take_message(self, call: _Call) -> None:
        """Deal with a whole message; one question of a client at a time, those behind it wait in a bounded buffer."""
        waiting = call.partner is not None and not call.question
        length = int.from_bytes(call.incoming[:2], "big")
        if waiting or call.outgoing or len(call.incoming) < 2 or len(call.incoming) < length + 2:
            return
        message = bytes(call.incoming[2 : length + 2])
        del call.incoming[: length + 2]
        if call.question:
            self._deliver(call, message)
            return
        reply = answer(message, self._look_up)
        if reply:
            self._write(call, reply)
        elif reply is None:
            self._call_out(call, message)
        else:
            self._hang_up(call)

    def _deliver(self, outer: _Call, message: bytes) -> None:
        """A name server's answer goes to the client whose question it was."""
        client, question = outer.partner, outer.question
        outer.partner = None
        self._hang_up(outer)
        if client is not None:
            client.partner = None
            self._write(client, message if message[:2] == question[:2] else failure(question))

    def _call_out(self, client: _Call, message: bytes) -> None:
        for server in self._upstreams():
            door = _open_to(server, sockets.SOCK_STREAM)
            if door is None:
                continue
            if door.connect_ex((server, PORT)) not in (0, errno.EINPROGRESS):
                door.close()
                continue
            outer = _Call(door, time.monotonic() + 2 * PATIENCE)
            outer.question, outer.partner, client.partner = message, client, outer
            outer.outgoing += len(message).to_bytes(2, "big") + message
            self._add(outer, select.EPOLLOUT)
            return
        self._write(client, failure(message))

    def _write(self, call: _Call, message: bytes) -> None:
        call.outgoing += len(message).to_bytes(2, "big") + message
        self._poll.modify(call.door, select.EPOLLOUT)

    def _hang_up(self, call: _Call) -> None:
        """Close a connection; the client of a name server that hung up gets SERVFAIL, the server of a lost client is let go."""
        if call.door.fileno() < 0:
            return
        self._calls.pop(call.door.fileno(), None)
        self._poll.unregister(call.door)
        call.door.close()
        partner, call.partner = call.partner, None
        if partner is None:
            return
        partner.partner = None
        if call.question:
            self._write(partner, failure(call.question))
        else:
            self._hang_up(partner)

    # --- both ---

    def _expire(self, now: float) -> None:
        for question in [item for item in self._questions.values() if item.deadline <= now]:
            self._ask(question)
        for call in [item for item in self._calls.values() if item.deadline <= now]:
            self._hang_up(call)

    def _look_up(self, name: str) -> str:
        try:
            return os.readlink(f"{self._names}/{name}")
        except (OSError, ValueError):
            return ""

    def _upstreams(self) -> tuple[str, ...]:
        if not self._given:
            try:
                status = os.stat(self._resolv)
                stamp = (status.st_mtime_ns, status.st_ino)
                if stamp != self._read_at:
                    with open(self._resolv, encoding="utf-8", errors="replace") as file:
                        self._servers = parse_servers(file.read(LARGEST))
                    self._read_at = stamp
            except OSError:
                self._servers, self._read_at = (), (-1, -1)
        return self._servers


def _open_to(server: str, kind: int) -> Socket | None:
    family = sockets.AF_INET6 if ":" in server else sockets.AF_INET
    try:
        return Socket(family, kind | sockets.SOCK_NONBLOCK | sockets.SOCK_CLOEXEC)
    except OSError:
        return None
