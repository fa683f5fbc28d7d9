# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole small internet per test: a host, a machine outside, and containers, each a network namespace of its own. The real
host's links, settings and rules are not touched: the test's process itself lives in the made-up host while it runs."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pickle
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import process
from ansible_collections.berth.containers.plugins.module_utils._engine.network import attach, links
from ansible_collections.berth.containers.plugins.module_utils._engine.network.attach import Attachment
from ansible_collections.berth.containers.plugins.module_utils._engine.network.ports import parse_ports
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths

HOST, OUTSIDE = "198.51.100.1", "198.51.100.2"


def command(*words: str) -> str:
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


class Box:
    """A network namespace, held by a child that waits. Everything started in it ends with it."""

    def __init__(self) -> None:
        ready, told = os.pipe()
        self.children: list[int] = []
        self.pid = os.fork()
        if self.pid == 0:
            process.unshare(process.NEWNET)
            os.write(told, b"x")
            signal.pause()
            os._exit(0)
        os.close(told)
        assert os.read(ready, 1) == b"x"
        os.close(ready)

    def fork(self, work: Callable[[], Any]) -> tuple[int, int]:
        """A child in this namespace that does `work`; its pid and a descriptor that the pickled result comes from."""
        source, sink = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                with open(f"/proc/{self.pid}/ns/net", "rb") as namespace:
                    process.setns(namespace.fileno(), process.NEWNET)
                os.environ["OUT"] = str(sink)
                result: Any = work()
            except BaseException as error:
                result = error
            os.write(sink, pickle.dumps(result))
            os._exit(0)
        os.close(sink)
        self.children.append(pid)
        return pid, source

    def run(self, work: Callable[[], Any]) -> Any:
        """What `work` returns or raises in this namespace."""
        pid, source = self.fork(work)
        with open(source, "rb") as file:
            result = pickle.loads(file.read())
        os.waitpid(pid, 0)
        self.children.remove(pid)
        if isinstance(result, BaseException):
            raise result
        return result

    def run_here(self, work: Callable[[], Any]) -> Any:
        """What `work` makes in this namespace, in this process: sockets stay where they were made."""
        with open(f"/proc/{self.pid}/ns/net", "rb") as namespace:
            return links.inside(namespace.fileno(), work)

    def command(self, *words: str) -> str:
        return str(self.run(lambda: command(*words)))

    def serve(self, port: int, kind: int = socket.SOCK_STREAM, address: str = "0.0.0.0", says: str = "") -> None:
        """Answer everybody on a port with `says` and the address that the question came from."""

        def work() -> None:
            with socket.socket(socket.AF_INET, kind) as door:
                door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                door.bind((address, port))
                if kind == socket.SOCK_STREAM:
                    door.listen(16)
                os.write(int(os.environ["OUT"]), b"x")
                while True:
                    if kind == socket.SOCK_DGRAM:
                        _unused, caller = door.recvfrom(100)
                        door.sendto(f"{says} {caller[0]}".encode(), caller)
                    else:
                        call, caller = door.accept()
                        call.sendall(f"{says} {caller[0]}".encode())
                        call.close()

        _unused, source = self.fork(work)
        assert os.read(source, 1) == b"x"
        os.close(source)

    def end(self) -> None:
        for pid in [*self.children, self.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self.children.clear()


class Container(Box):
    """A box with a container's directory, reserved and connected."""

    attachment: Attachment

    def __init__(self, name: str, ident: str = "") -> None:
        super().__init__()
        self.ident, self.name = ident or os.urandom(32).hex(), name

    def join(self, paths: Paths, ports: list[str]) -> None:
        os.makedirs(paths.container(self.ident), exist_ok=True)
        name = self.name
        self.attachment = attach.reserve(paths, self.ident, name, f"{name}-host", parse_ports(ports))
        attach.connect(paths, self.attachment, self.pid)

    @property
    def address(self) -> str:
        return self.attachment.address


def ask(address: str, port: int, kind: int = socket.SOCK_STREAM, patience: float = 1.0) -> str:
    """What the server there says; "" when nobody answers in time, "refused" when nobody listens."""
    with socket.socket(socket.AF_INET, kind) as door:
        door.settimeout(patience)
        try:
            door.connect((address, port))
            if kind == socket.SOCK_DGRAM:
                door.send(b"?")
            return door.recv(1000).decode()
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return ""


class World:
    """The made-up host (where the test runs) with its state, the machine outside, and the containers that a test starts."""

    def __init__(self, paths: Paths, outside: Box) -> None:
        self.paths, self.outside = paths, outside
        self.boxes: list[Box] = [outside]
        self.bridge, self.table = paths.kernel_name("berth0", 15), paths.kernel_name("berth")

    def start(self, name: str, *ports: str, ident: str = "") -> Container:
        made = Container(name, ident)
        self.boxes.append(made)
        made.join(self.paths, list(ports))
        return made

    def box(self) -> Box:
        """A namespace that is not connected to anything."""
        made = Box()
        self.boxes.append(made)
        return made

    def here(self) -> Box:
        """Another process of the host's own, for servers of the host."""
        made = Box.__new__(Box)
        made.pid, made.children = os.getpid(), []
        self.boxes.append(made)
        return made

    def rules(self) -> str:
        return command("nft", "list", "table", "ip", self.table)


@pytest.fixture
def world(tmp_path: pathlib.Path) -> Iterator[World]:
    with contextlib.ExitStack() as undo:
        home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        undo.callback(os.close, home)
        process.unshare(process.NEWNET)
        undo.callback(process.setns, home, process.NEWNET)
        paths = Paths(str(tmp_path / "root"))
        paths.prepare()
        undo.callback(shutil.rmtree, paths.run)
        outside = Box()
        made = World(paths, outside)
        undo.callback(lambda: [box.end() if box.pid != os.getpid() else _end_children(box) for box in made.boxes])
        command("ip", "link", "set", "lo", "up")
        command("ip", "link", "add", "up0", "type", "veth", "peer", "name", "eth0", "netns", str(outside.pid))
        command("ip", "address", "add", f"{HOST}/24", "dev", "up0")
        command("ip", "link", "set", "up0", "up")
        outside.command("ip", "address", "add", f"{OUTSIDE}/24", "dev", "eth0")
        outside.command("ip", "link", "set", "eth0", "up")
        outside.command("ip", "link", "set", "lo", "up")
        command("ip", "route", "add", "default", "via", OUTSIDE)
        yield made


def _end_children(box: Box) -> None:
    for pid in box.children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.fixture(name="ask")
def ask_fixture() -> Callable[..., str]:
    return ask


@pytest.fixture(name="command")
def command_fixture() -> Callable[..., str]:
    return command
