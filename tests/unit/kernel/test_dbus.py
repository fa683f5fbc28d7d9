# SPDX-License-Identifier: GPL-3.0-or-later
"""D-Bus calls as a library that is not ours reads them, and every answer that a peer may give."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jeepney
import pytest
from jeepney.low_level import Parser, parse_signature

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError
from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import dbus

WHERE = ("org.example.Manager", "/org/example", "org.example.Manager1", "Start")
SIGNATURE = "ssa(sv)a(sa(sv))"
VALUES = (
    "unit-1.scope",
    "fail",
    [("Slice", ("s", "a.slice")), ("PIDs", ("au", [7, 8])), ("Delegate", ("b", True)), ("Stop", ("t", 1 << 40))],
    [],
)


@pytest.mark.parametrize(
    ("signature", "value"),
    [
        ("s", "ä text"),
        ("a(sv)", [("one", ("s", "x")), ("two", ("as", ["b", ""])), ("three", ("t", 5))]),
        ("a(sa(sv))", [("aux", [("n", ("u", 3))])]),
        ("at", [1, 2]),
        ("at", []),
        ("(ybg)", (3, True, "a(sv)")),
    ],
)
def test_values_are_what_another_library_writes(signature: str, value: Any) -> None:
    ours = bytearray()
    dbus.marshal(ours, signature, value)
    kind = parse_signature(list(signature))
    assert bytes(ours) == kind.serialise(value, 0, jeepney.Endianness.little)


def serve(path: Path, answer: Callable[[jeepney.Message], list[bytes]], greeting: bytes = b"OK 0123\r\n") -> list[Any]:
    """A peer in a thread; what it was asked is in the list once a call has been answered."""
    asked: list[Any] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def talk() -> None:
        end, _address = listener.accept()
        with listener, end:
            said = b""
            while not said.endswith(b"BEGIN\r\n"):
                said += end.recv(1)
            asked.append(said)
            end.sendall(greeting)
            parser = Parser()
            while not (message := parser.get_next_message()):
                data = end.recv(4096)
                if not data:
                    return
                parser.add_data(data)
            asked.append(message)
            for part in answer(message):
                end.sendall(part)

    threading.Thread(target=talk, daemon=True).start()
    return asked


def ask(path: Path) -> None:
    with dbus.connect(str(path), patience=5) as end:
        dbus.call(end, *WHERE, SIGNATURE, VALUES)


def test_a_call_is_read_as_it_was_meant(tmp_path: Path) -> None:
    asked = serve(tmp_path / "s", lambda call: [reply(call, "o", ("/job/1",))])
    ask(tmp_path / "s")
    greeting, message = asked
    assert greeting.startswith(b"\0AUTH EXTERNAL ")
    fields = message.header.fields
    assert fields[jeepney.HeaderFields.member] == "Start"
    assert fields[jeepney.HeaderFields.destination] == WHERE[0]
    assert message.body == VALUES


def reply(call: jeepney.Message, signature: str = "", body: tuple[Any, ...] = ()) -> bytes:
    message = jeepney.new_method_return(call, signature or None, body)
    message.header.fields[jeepney.HeaderFields.reply_serial] = call.header.serial
    data: bytes = message.serialise(serial=77)
    return data


def test_signals_before_the_reply_are_passed_over(tmp_path: Path) -> None:
    emitter = jeepney.DBusAddress("/x", interface="a.b")
    signal = jeepney.new_signal(emitter, "JobNew", "uos", (1, "/job/1", "unit")).serialise(serial=1)
    serve(tmp_path / "s", lambda call: [signal, reply(call, "o", ("/job/1",))])
    ask(tmp_path / "s")


def test_an_error_keeps_its_name_and_its_words(tmp_path: Path) -> None:
    def refuse(call: jeepney.Message) -> list[bytes]:
        return [jeepney.new_error(call, "org.example.UnitExists", "s", ("unit-1.scope is there",)).serialise(serial=3)]

    serve(tmp_path / "s", refuse)
    with pytest.raises(dbus.CallFailed, match=r"unit-1\.scope is there \(org\.example\.UnitExists\)") as caught:
        ask(tmp_path / "s")
    assert caught.value.name == "org.example.UnitExists"


def test_a_peer_that_refuses_or_goes_is_an_error(tmp_path: Path) -> None:
    serve(tmp_path / "a", lambda _call: [], b"REJECTED EXTERNAL\r\n")
    with pytest.raises(EngineError, match="refuses us: REJECTED"):
        ask(tmp_path / "a")
    serve(tmp_path / "b", lambda _call: [])
    with pytest.raises(EngineError, match="ended the connection"):
        ask(tmp_path / "b")
    serve(tmp_path / "c", lambda _call: [b"HTTP/1.1 400 no no no"])
    with pytest.raises(EngineError, match="not understood"):
        ask(tmp_path / "c")
    with pytest.raises(FileNotFoundError):
        dbus.connect(str(tmp_path / "nobody"))
