# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers byte by byte: what is read as HTTP/1.1, what is left alone as strange, and that nothing is waited for or kept without end."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.registry.wire import (
    LONGEST,
    Answer,
    NotAsked,
    Unusual,
    Wire,
    request_head,
)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def ask(ends: tuple[socket.socket, socket.socket], data: bytes, *, bodiless: bool = False) -> Answer:
    """The answer that is made of `data`, after which nothing comes."""
    ours, theirs = ends

    def serve() -> None:
        with contextlib.suppress(OSError):  # nobody may want to hear it all
            theirs.sendall(data)
            theirs.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        return Wire(ours).ask(b"HEAD / HTTP/1.1\r\n\r\n", bodiless=bodiless, seconds=5)
    finally:
        ours.close()
        theirs.close()
        thread.join()


@pytest.mark.parametrize(
    ("data", "status", "body", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc", True),
        (b"HTTP/1.1 200\r\nContent-Length:3\r\nConnection: Close\r\n\r\nabc", 200, b"abc", False),
        (b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, b"", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 500 No\r\n\r\nto the end", 500, b"to the end", False),
        (
            b"HTTP/1.1 201 Made\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
            201,
            b"abc0123456789",
            True,
        ),
    ],
)
def test_what_is_read(
    ends: tuple[socket.socket, socket.socket], data: bytes, status: int, body: bytes, keeps: bool
) -> None:
    answer = ask(ends, data)
    assert (answer.status, answer.body, answer.keeps) == (status, body, keeps)


def test_headers_are_joined_and_their_names_have_no_case(ends: tuple[socket.socket, socket.socket]) -> None:
    answer = ask(
        ends, b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nwww-authenticate:\tBearer \r\n\r\n", bodiless=True
    )
    assert answer.headers == {"www-authenticate": "Basic, Bearer"}


def test_a_head_has_a_length_and_no_body(ends: tuple[socket.socket, socket.socket]) -> None:
    answer = ask(ends, b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", bodiless=True)
    assert answer.headers["content-length"] == "99999999999" and answer.body == b""


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nfolded: a\r\n b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nspaced : a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbare: a\nb: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n0123456789",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LONGEST + 1),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + bytes(LONGEST + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n" % (LONGEST, bytes(LONGEST)) * 2,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"a" * (1 << 20),
    ],
)
def test_what_is_strange(ends: tuple[socket.socket, socket.socket], data: bytes) -> None:
    with pytest.raises(Unusual):
        ask(ends, data)


@pytest.mark.parametrize(
    "data", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", b"HTTP/1.1 200 OK\r\nX: y\r\n"]
)
def test_what_is_cut(ends: tuple[socket.socket, socket.socket], data: bytes) -> None:
    with pytest.raises(OSError, match="it ended before the answer did"):
        ask(ends, data)


def test_a_trickle_has_an_end(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    done = threading.Event()

    def trickle() -> None:
        theirs.sendall(b"HTTP/1.1 200 OK\r\n")
        while not done.wait(0.05):
            theirs.sendall(b"a")

    thread = threading.Thread(target=trickle)
    thread.start()
    with pytest.raises(OSError, match="timed out"):
        Wire(ours).ask(b"x", bodiless=True, seconds=0.3)
    done.set()
    thread.join()


def test_it_is_quiet_until_something_comes(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    wire = Wire(ours)
    assert wire.is_quiet()
    theirs.shutdown(socket.SHUT_WR)
    assert not wire.is_quiet()


def test_what_follows_an_answer_is_no_other_answer(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    wire = Wire(ours)
    theirs.sendall(b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
    assert wire.ask(b"x", bodiless=False, seconds=5).status == 204 and not wire.is_quiet()


def test_who_hangs_up_early_is_heard_all_the_same(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(b"HTTP/1.1 413 Large\r\n\r\n")
    theirs.close()
    assert Wire(ours).ask(bytes(1 << 22), bodiless=False, seconds=5).status == 413


@pytest.mark.parametrize(
    ("path", "headers"), [("/a b", {}), ("/\r\nX: y", {}), ("/ä", {}), ("/", {"X": "a\r\nY: b"}), ("/", {"X": "ä"})]
)
def test_no_request_has_more_lines_than_it_should(path: str, headers: dict[str, str]) -> None:
    with pytest.raises(NotAsked):
        request_head("GET", path, headers)
    assert request_head("GET", "/a", {"X": "y"}) == b"GET /a HTTP/1.1\r\nX: y\r\n\r\n"
