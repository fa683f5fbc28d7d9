# SPDX-License-Identifier: GPL-3.0-or-later
"""A root of its own with an image in it, and the ways in which tests ask it: every request in a process that ends with it."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pickle
import pkgutil
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from ansible_collections.berth.containers.plugins.module_utils import _engine
from ansible_collections.berth.containers.plugins.module_utils._engine import api, errors
from ansible_collections.berth.containers.plugins.module_utils._engine.answer import Answer
from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import hierarchy
from ansible_collections.berth.containers.plugins.module_utils._engine.container import (
    create,
    execute,
    normalise,
    start,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.container import record as records
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.network import attach
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime import wire

# The engine imports late, for speed; here every request is a fork, which should find it all.
for _module in pkgutil.walk_packages(_engine.__path__, f"{_engine.__name__}."):
    if ".cli" not in _module.name:
        importlib.import_module(_module.name)

# A first process that waits, and that ends at once when it is asked to.
WAIT = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done"]
# One that has to be killed.
DEAF = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]


class Done(NamedTuple):
    """How a process in a container ended and what it said."""

    code: int
    out: str
    err: str


def in_child(work: Callable[[], Any], patience: float = 60.0) -> Any:
    """What `work` returns or raises in a child that leaves by _exit, as a module's process does. The end of its pipe is waited
    for: a supervisor that kept a descriptor of its caller's would show as a time-out."""
    source, sink = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(source)
        code = 1
        try:
            os.write(sink, pickle.dumps(_outcome(work)))
            code = 0
        finally:
            os._exit(code)
    os.close(sink)
    try:
        data = read_to_end(source, patience)
    except TimeoutError as error:
        with open(f"/proc/{pid}/wchan") as file:
            error.add_note(f"it waits in {file.read()}")
        os.kill(pid, signal.SIGKILL)
        raise
    else:
        os.waitpid(pid, 0)
    finally:
        os.close(source)
    kind, value = pickle.loads(data)
    if kind == "error":
        raise errors.named(*value)
    if kind == "bug":
        raise AssertionError(value)
    return value


def _outcome(work: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "value", work()
    except errors.EngineError as error:
        return "error", (type(error).__name__, str(error))
    except BaseException as error:
        import traceback

        return "bug", f"{error!r}\n{traceback.format_exc()}"


def read_to_end(fd: int, patience: float) -> bytes:
    """All that comes until nobody holds the other end any more."""
    data, end = b"", time.monotonic() + patience
    while True:
        if not select.select((fd,), (), (), max(end - time.monotonic(), 0))[0]:
            raise TimeoutError(f"after {patience} s somebody still holds the other end; so far: {data!r}")
        chunk = os.read(fd, 1 << 16)
        if not chunk:
            return data
        data += chunk


def wait_until(true: Callable[[], Any], patience: float = 10.0) -> Any:
    """The first true value of `true()`."""
    end = time.monotonic() + patience
    while not (value := true()):
        assert time.monotonic() < end, f"not so after {patience} s"
        time.sleep(0.01)
    return value


class Attached:
    """The caller's end of a container's streams, as the command line has it."""

    def __init__(self, end: socket.socket) -> None:
        self.end, self._reader = end, wire.Reader()
        self.out, self.err, self.code = bytearray(), bytearray(), -1
        end.settimeout(30)

    def send(self, kind: bytes, data: bytes = b"") -> None:
        self.end.sendall(wire.pack(kind, data))

    def read(self) -> bool:
        """One piece; False at the end."""
        data = self.end.recv(1 << 16)
        for kind, body in self._reader.feed(data):
            if kind == wire.STDOUT:
                self.out += body
            elif kind == wire.STDERR:
                self.err += body
            elif kind == wire.EXIT:
                self.code = int(body)
        return bool(data)

    def read_until(self, text: bytes) -> None:
        while text not in self.out:
            assert self.read(), f"ended without {text!r}: {bytes(self.out)!r}"

    def finish(self) -> Done:
        while self.read():
            continue
        self.end.close()
        return Done(self.code, self.out.decode("utf-8", "replace"), self.err.decode("utf-8", "replace"))


class House:
    """One root. `made` are the names of the containers of the test that runs; they are removed after it."""

    def __init__(self, root: str) -> None:
        self.paths = Paths(root)
        self.made: list[str] = []
        self._count = 0

    def ask(self, verb: str, *, check: bool = False, **params: Any) -> Answer:
        """A request and its answer, as a module makes it."""
        if verb == "container" and params.get("state") != "absent":
            self.made.append(params["name"])
        request = {"verb": verb, "root": self.paths.root, "check": check, "params": params}
        answer = in_child(lambda: api.answer(request))
        assert isinstance(answer, Answer)
        json.dumps(answer.as_dict())
        return answer

    def name(self) -> str:
        self._count += 1
        return f"t{self._count}"

    def up(self, command: list[str] | None = None, **params: Any) -> dict[str, Any]:
        """A container that runs, as container_info describes it. Without a network of its own unless asked."""
        wanted = {"name": self.name(), "image": "base", "network_mode": "none", "stop_timeout": 0, **params}
        wanted["command"] = WAIT if command is None else command
        made = self.ask("container", **wanted).result["container"]
        assert isinstance(made, dict)
        return made

    def info(self, name: str) -> dict[str, Any]:
        """The container, {} when there is none."""
        found = self.ask("container_info", name=[name]).result["containers"]
        return dict(found[0]) if found else {}

    def ended(self, name: str, patience: float = 10.0) -> dict[str, Any]:
        """The container's state once it has exited."""

        def look() -> dict[str, Any] | None:
            state = self.info(name)["state"]
            return state if state["status"] == "exited" else None

        return dict(wait_until(look, patience))

    def attach(self, command: list[str], **params: Any) -> Attached:
        """A new container with our end of its streams, attached before its first word."""
        wanted = {"name": self.name(), "image": "base", "network_mode": "none", "command": command, **params}
        self.made.append(wanted["name"])
        ours, theirs = socket.socketpair()

        def work() -> None:
            ours.close()
            start.start(self.paths, create.create(self.paths, normalise.normalise(wanted)), client=theirs)

        try:
            in_child(work)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return Attached(ours)

    def run(self, command: list[str] | str, *, stdin: bytes | None = None, **params: Any) -> Done:
        """A container's whole life; a string is a script for its shell."""
        words = ["sh", "-c", command] if isinstance(command, str) else command
        attached = self.attach(words, interactive=stdin is not None, **params)
        if stdin is not None:
            attached.send(wire.STDIN, stdin)
            attached.send(wire.CLOSE_STDIN)
        return attached.finish()

    def exec(self, name: str, command: list[str] | str, stdin: bytes = b"", **options: Any) -> Done:
        """One more process in a running container."""
        words = ("sh", "-c", command) if isinstance(command, str) else tuple(command)

        def work() -> tuple[int, bytes, bytes]:
            record = records.find(self.paths, name)
            with execute.open_session(self.paths, record, execute.ExecSpec(argv=words, **options)) as session:
                return session.communicate(stdin)

        code, out, err = in_child(work)
        return Done(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    def log(self, name: str) -> list[dict[str, str]]:
        """The lines of the container's log, from the oldest file on."""
        path = self.info(name)["log_path"]
        lines = []
        for number in range(9, -1, -1):
            with contextlib.suppress(FileNotFoundError), open(f"{path}.{number}" if number else path) as file:
                lines += [json.loads(line) for line in file]
        return lines

    def clean(self) -> None:
        """Remove what the test made, and see that nothing of it is left."""
        names, self.made = list(dict.fromkeys(self.made)), []
        for name in names:
            with contextlib.suppress(errors.InvalidSpec):
                self.ask("container", name=name, state="absent")
        end = time.monotonic() + 2
        while (left := self.left()) and time.monotonic() < end:
            time.sleep(0.02)
        assert not left, "\n".join(left)

    def left(self) -> list[str]:
        """Everything on this host that belongs to a container of this root: files, mounts, groups, links, rules, processes."""
        paths, found = self.paths, []
        for top in (paths.containers, paths.names, paths.staging, paths.replacing, f"{paths.run}/containers"):
            found += [f"{top}/{name}" for name in _list(top)]
        for top in (paths.leases, f"{paths.run}/networks"):
            for directory, _unused, files in os.walk(top):
                links = [name for name in _list(directory) if os.path.islink(f"{directory}/{name}")]
                found += [f"{directory}/{name}" for name in dict.fromkeys([*files, *links])]
        with open("/proc/self/mountinfo") as file:
            found += [line for line in file if f"{paths.root}/" in line or f"{paths.run}/" in line]
        for point in hierarchy.mounted().mount_points():
            parent = f"{point}/{paths.kernel_name('berth')}"
            found += [f"{parent}/{name}" for name in _list(parent) if len(name) == 64]
            with contextlib.suppress(FileNotFoundError), open(f"{parent}/supervisors/cgroup.procs") as file:
                found += [f"supervisor {line.strip()} in {parent}" for line in file]
        return found + self._network_left()

    def _network_left(self) -> list[str]:
        bridge, table = self.paths.kernel_name("berth0", 15), self.paths.kernel_name("berth")
        shown = subprocess.run(["ip", "-j", "link", "show", "master", bridge], capture_output=True, check=False)
        found = [item["ifname"] for item in json.loads(shown.stdout or "[]")]
        shown = subprocess.run(["nft", "-j", "list", "table", "ip", table], capture_output=True, check=False)
        for item in json.loads(shown.stdout)["nftables"] if shown.stdout else []:
            found += [
                f"{item[kind]['name']} {one}"
                for kind in ("map", "set")
                if kind in item
                for one in item[kind].get("elem", ())
            ]
        return found

    def end(self) -> None:
        """Take the root out of the world."""
        for name in _list(self.paths.names):
            with contextlib.suppress(errors.EngineError):
                self.ask("container", name=name, state="absent")
        with contextlib.suppress(errors.EngineError):
            in_child(lambda: attach.remove_network(self.paths))
        for point in hierarchy.mounted().mount_points():
            for name in ("/supervisors", ""):
                with contextlib.suppress(OSError):
                    os.rmdir(f"{point}/{self.paths.kernel_name('berth')}{name}")
        shutil.rmtree(self.paths.run, ignore_errors=True)
        shutil.rmtree(self.paths.root, ignore_errors=True)


def _list(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except FileNotFoundError:
        return []


@contextlib.contextmanager
def a_house(root: str, *, bootstrap: bool = True) -> Iterator[House]:
    """A root with the image `base` in it; nothing of it is left afterwards."""
    house = House(root)
    try:
        if bootstrap:
            house.ask("container_image", name="base", bootstrap="busybox")
        yield house
    finally:
        house.end()


def bare_root(tmp_path_factory: pytest.TempPathFactory, script: str) -> str:
    """busybox's root directory after a shell script has changed it; where it lies."""
    top = tmp_path_factory.mktemp("rootfs") / "root"
    with a_house(str(tmp_path_factory.mktemp("base") / "root")) as house:
        subprocess.run(["cp", "-a", resolve(house.paths, "base").layers[0], str(top)], check=True)
    subprocess.run(["sh", "-ec", script], cwd=top, check=True)
    return str(top)
