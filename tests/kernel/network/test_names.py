# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers find each other by name, and everybody else by the host's name servers."""

from __future__ import annotations

import os
import pickle
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.runtime import names

if TYPE_CHECKING:
    from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.names import Responder

    World = Any

OUTSIDE = "198.51.100.2"
RESPONDER = ("127.0.0.11", 53)


def question(name: str, kind: int = 1, ident: int = 0x1234) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def reply(packet: bytes, address: str) -> bytes:
    return (
        packet[:2] + b"\x81\x80" + struct.pack("!HHHH", 1, 1, 0, 0) + packet[12:]
        + struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(address)
    )  # fmt: skip


def address_in(packet: bytes) -> str:
    """The address that a reply gives, or its response code."""
    code = packet[3] & 15
    if code or not struct.unpack_from("!H", packet, 6)[0]:
        return f"code {code}"
    return socket.inet_ntoa(packet[-4:])


class Asker:
    """A container with a responder, asked from inside while the test turns the responder's wheel."""

    def __init__(self, container: Any, responder: Responder) -> None:
        self.container, self.responder = container, responder

    def turn(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        (fd,) = self.responder.fds()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            wait = self.responder.timeout()
            ready, _unused, _unused = select.select([fd], [], [], min(0.05, wait if wait is not None else 0.05))
            self.responder.handle(ready[0] if ready else -1)

    def udp(self, packet: bytes, seconds: float = 1.0) -> bytes:
        with self.container.run_here(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as door:
            door.setblocking(False)
            door.sendto(packet, RESPONDER)
            return self._wait(door, seconds)

    def tcp(self, packet: bytes, seconds: float = 1.0) -> bytes:
        with self.call() as door:
            door.sendall(len(packet).to_bytes(2, "big") + packet)
            return self._wait(door, seconds)[2:]

    def call(self) -> socket.socket:
        door: socket.socket = self.container.run_here(lambda: socket.create_connection(RESPONDER, 2))
        door.setblocking(False)
        return door

    def program(self, *words: str) -> str:
        pid, source = self.container.fork(lambda: os.popen(" ".join(words)).read())
        self.turn(3, lambda: bool(select.select([source], [], [], 0)[0]))
        with open(source, "rb") as file:
            text = str(pickle.loads(file.read()))
        os.waitpid(pid, 0)
        self.container.children.remove(pid)
        return text

    def _wait(self, door: socket.socket, seconds: float) -> bytes:
        self.turn(seconds, lambda: bool(select.select([door], [], [], 0)[0]))
        try:
            return door.recv(65535)
        except BlockingIOError:
            return b""


def make_asker(world: World, *upstreams: str) -> Asker:
    container = world.start("client")
    with open(f"/proc/{container.pid}/ns/net", "rb") as namespace:
        responder = names.open_responder(namespace.fileno(), container.attachment.names_dir, upstreams)
    return Asker(container, responder)


@pytest.fixture
def asker(world: World) -> Iterator[Asker]:
    made = make_asker(world, "127.0.0.1", OUTSIDE)
    yield made
    made.responder.close()


def name_server(box: Any, address: str, gives: str) -> None:
    """A name server in `box` that has one answer for every question."""

    def packets() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
            door.bind((address, 53))
            os.write(int(os.environ["OUT"]), b"x")
            while True:
                packet, caller = door.recvfrom(1000)
                door.sendto(reply(packet, gives), caller)

    def calls() -> None:
        with socket.create_server((address, 53)) as door:
            os.write(int(os.environ["OUT"]), b"x")
            while True:
                call, _unused = door.accept()
                packet = reply(call.recv(1000)[2:], gives)
                call.sendall(len(packet).to_bytes(2, "big") + packet)
                call.close()

    for work in (packets, calls):
        _unused, source = box.fork(work)
        assert os.read(source, 1) == b"x"
        os.close(source)


@pytest.mark.parametrize("way", ["udp", "tcp"])
def test_a_container_is_found_by_its_names(world: World, asker: Asker, way: str) -> None:
    web = world.start("Web")
    ask = getattr(asker, way)
    for name in ("web", "WEB", "web-host", web.ident[:12], "client"):
        expected = asker.container.address if name == "client" else web.address
        assert address_in(ask(question(name))) == expected, name
    assert address_in(ask(question("web", kind=28))) == "code 0"
    back = ".".join(reversed(web.address.split("."))) + ".in-addr.arpa"
    assert ask(question(back, kind=12)).endswith(b"\3web\0")


def test_a_released_name_is_no_longer_known(world: World, asker: Asker) -> None:
    from ansible_collections.berth.containers.plugins.module_utils._engine.network import attach

    web = world.start("web")
    assert address_in(asker.udp(question("web"))) == web.address
    attach.release(world.paths, web.ident)
    assert address_in(asker.udp(question("web"))) != web.address


@pytest.mark.parametrize("way", ["udp", "tcp"])
def test_other_names_go_to_the_name_servers(world: World, asker: Asker, way: str) -> None:
    name_server(world.here(), "127.0.0.1", "203.0.113.1")
    got = getattr(asker, way)(question("example.org", ident=0x4242))
    assert (got[:2], address_in(got)) == (b"\x42\x42", "203.0.113.1")


def test_the_next_server_is_asked_when_one_refuses(world: World, asker: Asker) -> None:
    name_server(world.outside, OUTSIDE, "203.0.113.2")
    assert address_in(asker.udp(question("example.org"))) == "203.0.113.2"


def test_the_next_server_is_asked_when_one_is_silent(
    world: World, monkeypatch: pytest.MonkeyPatch, asker: Asker
) -> None:
    monkeypatch.setattr(names, "PATIENCE", 0.2)
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 53))
    name_server(world.outside, OUTSIDE, "203.0.113.2")
    with silent:
        assert address_in(asker.udp(question("example.org"))) == "203.0.113.2"


@pytest.mark.parametrize("way", ["udp", "tcp"])
def test_without_any_server_the_answer_is_servfail(asker: Asker, way: str) -> None:
    assert address_in(getattr(asker, way)(question("example.org"))) == "code 2"
    assert asker.responder.timeout() is None or way == "tcp"


def test_malformed_packets_are_dropped_and_nothing_stops(world: World, asker: Asker) -> None:
    web = world.start("web")
    for packet in (
        b"",
        b"\0",
        question("web")[:-3],
        b"\xff" * 600,
        question("web")[:2] + b"\x81\x80" + question("web")[4:],
    ):
        assert asker.udp(packet, 0.1) == b""
    assert address_in(asker.udp(question("web"))) == web.address


def test_a_flood_of_questions_stays_bounded(world: World, asker: Asker) -> None:
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 53))
    web = world.start("web")
    before = len(os.listdir("/proc/self/fd"))
    with silent, asker.container.run_here(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as door:
        for number in range(1000):
            door.sendto(question(f"n{number}.example"), RESPONDER)
            if number % 50 == 0:
                asker.turn(0.02)
        asker.turn(0.1)
        assert len(os.listdir("/proc/self/fd")) <= before + names.MOST_QUESTIONS + 2
        assert address_in(asker.udp(question("web"))) == web.address


def test_idle_callers_are_bounded_and_do_not_shut_others_out(world: World, asker: Asker) -> None:
    web = world.start("web")
    idle = []
    for _unused in range(3 * names.MOST_CALLERS):
        idle.append(asker.call())
        asker.turn(0.01)
    before = len(asker.responder._calls)
    assert before <= 2 * names.MOST_CALLERS
    assert address_in(asker.tcp(question("web"))) == web.address
    for door in idle:
        door.close()


def test_the_hosts_settings_are_read_again(world: World, tmp_path: Any) -> None:
    made = make_asker(world)
    settings = tmp_path / "resolv.conf"
    made.responder._resolv = str(settings)
    name_server(world.here(), "127.0.0.1", "203.0.113.1")
    name_server(world.outside, OUTSIDE, "203.0.113.2")
    settings.write_text("nameserver 127.0.0.1\n")
    assert address_in(made.udp(question("example.org"))) == "203.0.113.1"
    settings.write_text(f"nameserver {OUTSIDE}\n")
    assert address_in(made.udp(question("example.org"))) == "203.0.113.2"
    made.responder.close()


def test_busyboxs_nslookup(world: World, asker: Asker) -> None:
    web = world.start("web")
    assert web.address in asker.program("busybox", "nslookup", "web", "127.0.0.11")


def test_closing_lets_the_namespace_go(world: World) -> None:
    made = make_asker(world)
    before = len(os.listdir("/proc/self/fd"))
    made.responder.close()
    made.responder.close()
    assert len(os.listdir("/proc/self/fd")) == before - 3
