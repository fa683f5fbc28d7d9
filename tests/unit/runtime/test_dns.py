# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS packets: what is answered, what is passed on, and that no bytes raise."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.dns import answer, failure, parse_servers

KNOWN = {"web": "10.89.0.5", "a.b": "10.89.0.6", "@10.89.0.5": "web", "web/../x": "10.0.0.1"}


def look_up(name: str) -> str:
    return KNOWN.get(name, "")


def question(name: str, kind: int = 1, group: int = 1, flags: int = 0x0100) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label)
    return struct.pack("!HHHHHH", 0xBEEF, flags, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, group)


@pytest.mark.parametrize(
    ("name", "address"), [("web", b"\x0a\x59\0\x05"), ("WeB", b"\x0a\x59\0\x05"), ("a.b.", b"\x0a\x59\0\x06")]
)
def test_a_known_name(name: str, address: bytes) -> None:
    asked = question(name)
    reply = answer(asked, look_up)
    assert reply is not None
    assert struct.unpack_from("!HHHHHH", reply) == (0xBEEF, 0x8580, 1, 1, 0, 0)
    assert reply[12 : len(asked)] == asked[12:]
    assert reply.endswith(struct.pack("!HHHIH", 0xC00C, 1, 1, 5, 4) + address)


def test_a_known_name_has_no_other_kind_of_address() -> None:
    for kind in (28, 15, 16):
        reply = answer(question("web", kind), look_up)
        assert reply is not None
        assert struct.unpack_from("!HHHHHH", reply) == (0xBEEF, 0x8580, 1, 0, 0, 0)


def test_the_way_back() -> None:
    reply = answer(question("5.0.89.10.in-addr.arpa", 12), look_up)
    assert reply is not None and reply.endswith(b"\x03web\0")
    assert answer(question("9.0.89.10.in-addr.arpa", 12), look_up) is None


@pytest.mark.parametrize(
    "packet",
    [
        question("example.org"),
        question("web", group=3),
        question("web", flags=0x2800),
        question("@10.89.0.5"),
        question(""),
    ],
)
def test_what_is_passed_on(packet: bytes) -> None:
    assert answer(packet, look_up) is None


@pytest.mark.parametrize(
    "packet",
    [
        b"", b"\0" * 11, b"\0" * 12, question("web", flags=0x8100), question("web")[:-1], question("web")[:14],
        struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 0) + b"\xc0\x0c" + b"\0\1\0\1",
        struct.pack("!HHHHHH", 1, 0, 2, 0, 0, 0) + question("web")[12:] * 2,
        struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 0) + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 3 + b"\0\0\1\0\1",
    ],
)  # fmt: skip
def test_what_is_no_question_gets_no_answer(packet: bytes) -> None:
    assert answer(packet, look_up) == b""


def test_no_path_is_asked_for() -> None:
    asked: list[str] = []
    answer(question("web/x"), lambda name: asked.append(name) or "")  # type: ignore[func-returns-value]
    answer(question("x/y.in-addr.arpa", 12), lambda name: asked.append(name) or "")  # type: ignore[func-returns-value]
    assert asked == []


def test_failure_repeats_the_question() -> None:
    reply = failure(question("web"))
    assert struct.unpack_from("!HHHHHH", reply) == (0xBEEF, 0x8182, 1, 0, 0, 0)
    assert reply[12:] == question("web")[12:]


@given(st.binary(max_size=600) | st.binary(max_size=300).map(lambda tail: question("web")[:12] + tail))
@example(question("web") + b"\0" * 500)
def test_no_bytes_raise(packet: bytes) -> None:
    answer(packet, look_up)
    if len(packet) >= 12:
        failure(packet)


def test_name_servers_of_a_resolv_conf() -> None:
    assert parse_servers("nameserver 1.1.1.1\n#x\nnameserver\nnameserver 2::2 # x\n") == ("1.1.1.1", "2::2")
    assert parse_servers("nameserver 1\nnameserver 2\nnameserver 3\nnameserver 4\n") == ("1", "2", "3")
    assert parse_servers("search x\n") == ("127.0.0.1",)
