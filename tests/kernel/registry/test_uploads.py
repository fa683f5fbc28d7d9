# SPDX-License-Identifier: GPL-3.0-or-later
"""An upload that is cut goes on where the registry has it, or anew where it was forgotten; one that is not costs two requests."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Unreachable
from ansible_collections.berth.containers.plugins.module_utils._engine.registry import sending, upload
from ansible_collections.berth.containers.tests.kernel.registry.servers import (
    Faulty,
    Handler,
    digest_of,
    docker_registry,
    serving,
)
from ansible_collections.berth.containers.tests.kernel.registry.test_faults import Asking

MIB = 1 << 20
CONTENT = os.urandom(5 * MIB + 77)
DIGEST = digest_of(CONTENT)


class Uploads(Faulty):
    """A registry that takes blobs, and breaks off the next bodies after as many bytes as `cuts` says (None: not at all).

    `keeps`: what came of a body that was cut stays; else the whole upload is forgotten.
    """

    def __init__(self, *cuts: int | None, keeps: bool = True) -> None:
        super().__init__()
        self.cuts, self.keeps = list(cuts), keeps
        self.open: dict[str, bytearray] = {}
        self.got: list[tuple[str, int, int]] = []
        self.fault = self._take

    def _take(self, handler: Handler) -> bool:
        if "/uploads/" not in handler.path:
            return False
        if handler.command == "POST":
            key = str(len(self.open))
            self.open[key] = bytearray()
            return handler.say(202, Location=f"/v2/a/b/blobs/uploads/{key}")
        key, _mark, digest = handler.path.rpartition("/")[2].partition("?digest=")
        if key not in self.open:
            handler.close_connection = True
            return handler.say(404)
        there = self.open[key]
        if handler.command == "GET":
            return handler.say(204, Location=handler.path, Range=f"0-{max(len(there) - 1, 0)}")
        if "Content-Range" in handler.headers and not handler.headers["Content-Range"].startswith(f"{len(there)}-"):
            handler.close_connection = True
            return handler.say(416)
        return self._body(handler, key, there) or self._answer(handler, key, digest)

    def _body(self, handler: Handler, key: str, there: bytearray) -> bool:
        """Whether it was cut."""
        length = int(handler.headers.get("Content-Length", "0"))
        cut = self.cuts.pop(0) if self.cuts and length else None
        data = handler.rfile.read(length if cut is None else min(cut, length))
        self.got.append((handler.command, len(there), len(data)))
        there.extend(data)
        if cut is None:
            return False
        if not self.keeps:
            del self.open[key]
            self.open[f"gone-{key}"] = bytearray()
        return handler.hang_up()

    def _answer(self, handler: Handler, key: str, digest: str) -> bool:
        there = self.open[key]
        if handler.command == "PATCH":
            return handler.say(202, Location=handler.path, Range=f"0-{len(there) - 1}")
        self.blobs[digest] = bytes(there)
        return handler.say(201)

    @property
    def bodies(self) -> int:
        return sum(size for _method, _start, size in self.got)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "CHUNK", MIB)


def put(name: str, content: bytes = CONTENT) -> Asking:
    asking = Asking(name)

    def open_from(offset: int) -> Any:
        return io.BytesIO(content[offset:])

    upload.put_blob(asking.client, "a/b", digest_of(content), len(content), open_from)
    return asking


@pytest.mark.parametrize("size", [0, 1000, len(CONTENT)])
def test_what_is_not_cut_is_two_requests(size: int) -> None:
    with serving(Uploads()) as registry:
        put(registry.name, CONTENT[:size])
        assert [one.method for one in registry.asked] == ["POST", "PUT"]
        assert registry.blobs[digest_of(CONTENT[:size])] == CONTENT[:size]


def test_what_is_cut_goes_on_where_it_was() -> None:
    """In its first piece, in a chunk, and between two."""
    with serving(Uploads(2 * MIB, 300_000, 0)) as registry:
        asking = put(registry.name)
        assert registry.blobs[DIGEST] == CONTENT
        assert registry.bodies == len(CONTENT), "no byte went twice"
        assert registry.count("POST") == 1 and len(asking.slept) == 3
        starts = [start for _method, start, _size in registry.got[:4]]
        assert starts == [0, 2 * MIB, 2 * MIB + 300_000, 2 * MIB + 300_000]


def test_what_is_forgotten_begins_anew() -> None:
    """By chunks then. The second is cut, and with it the first is lost."""
    with serving(Uploads(2 * MIB, None, 300_000, keeps=False)) as registry:
        put(registry.name)
        assert registry.blobs[DIGEST] == CONTENT
        assert registry.count("POST") == 3
        assert registry.bodies == 2 * MIB + MIB + 300_000 + len(CONTENT)


def test_a_registry_that_tells_nonsense_begins_anew() -> None:
    for told in ("", "0-99999999999", "x", "5-9"):
        with serving(Uploads(2 * MIB)) as registry:
            take = registry.fault

            def fault(handler: Handler, told: str = told, take: Any = take) -> bool:
                if handler.command == "GET" and "/uploads/" in handler.path:
                    return handler.say(204, Range=told)
                return bool(take(handler))

            registry.fault = fault
            put(registry.name)
            assert registry.blobs[DIGEST] == CONTENT


def test_what_gets_nowhere_ends_after_five_tries() -> None:
    with serving(Uploads(*[10] * 99)) as registry:
        with pytest.raises(Unreachable, match=f"blob {DIGEST} did not get there"):
            put(registry.name)
        assert len(registry.got) == 5


def test_what_gets_somewhere_is_cut_as_often_as_it_takes() -> None:
    with serving(Uploads(*[MIB // 2] * 9)) as registry:
        put(registry.name)
        assert registry.blobs[DIGEST] == CONTENT and registry.bodies == len(CONTENT)


class Cutting:
    """A way to a registry that breaks off what is sent there: each connection after its number of bytes, then no more."""

    def __init__(self, name: str, *cuts: int) -> None:
        self._port, self._cuts, self.broke = int(name.rpartition(":")[2]), list(cuts), 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.name = f"localhost:{self._server.getsockname()[1]}"

    def __enter__(self) -> Cutting:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_unused: object) -> None:
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _address = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                threading.Thread(target=self._carry, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._carry, args=(far, near, False), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, cutting: bool) -> None:
        carried = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                carried += len(data)
                sink.sendall(data)
                if cutting and self._cuts and carried >= self._cuts[0]:
                    del self._cuts[0]
                    self.broke += 1
                    break
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("debian") / "registry") as name:
        yield name


@pytest.mark.parametrize("cuts", [(2 * MIB,), (2 * MIB, MIB * 5 // 2), (2 * MIB, 100_000, 3 * MIB)])
def test_debians_registry_has_it_in_the_end(debian: str, cuts: tuple[int, ...], tmp_path: pathlib.Path) -> None:
    content = os.urandom(5 * MIB)
    with Cutting(debian, *cuts) as way:
        put(way.name, content)
        assert way.broke == len(cuts)
    assert Asking(debian).blob(digest_of(content), len(content)) == content


def test_debians_registry_goes_on_after_a_chunk(debian: str) -> None:
    """What it has whole it does not forget."""
    content = os.urandom(5 * MIB)
    asking = Asking(debian)
    opened: list[int] = []

    def open_from(offset: int) -> Any:
        opened.append(offset)
        if offset == 2 * MIB and opened.count(offset) == 1:
            raise sending.Broken("the connection broke")
        return io.BytesIO(content[offset:])

    one = sending.Sending(asking.client, "a/b", digest_of(content), len(content), open_from)
    one.look()
    with pytest.raises(sending.Broken):
        one.send()
    one.look()
    assert one.done == 2 * MIB
    assert one.send().status == 201
    assert opened == [0, MIB, 2 * MIB, 2 * MIB, 3 * MIB, 4 * MIB]
    assert asking.blob(digest_of(content), len(content)) == content
