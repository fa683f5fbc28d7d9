# SPDX-License-Identifier: GPL-3.0-or-later
"""One method call over a D-Bus socket (D-Bus Specification 0.43): enough to ask the service manager, and nothing to import.

Values are marshalled by signature, little-endian: ``s o g`` str, ``b`` bool, ``i u t`` int, ``a…`` list, ``(…)`` tuple, ``v``
a pair (signature, value).
"""

from __future__ import annotations

import os
import struct

from ..errors import EngineError
from . import sockets
from .sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CALL, _REPLY, _ERROR = 1, 2, 3
_PATH, _INTERFACE, _MEMBER, _DESTINATION, _SIGNATURE = 1, 2, 3, 6, 8
_NUMBERS = {"i": "<i", "u": "<I", "b": "<I", "t": "<Q"}
_LONGEST = 1 << 20


class CallFailed(EngineError):
    """The other side answered with an error; `name` is its D-Bus name."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{text} ({name})" if text else name)
        self.name = name


def connect(path: str, *, patience: float = 10.0) -> Socket:
    """A connection to the peer at the socket `path`, authenticated as this process's user; its answers are waited for so long.

    OSError when nobody listens there.
    """
    end = Socket(sockets.AF_UNIX, sockets.SOCK_STREAM | sockets.SOCK_CLOEXEC)
    try:
        end.settimeout(patience)
        end.connect(path)
        who = str(os.geteuid()).encode().hex().encode()
        end.sendall(b"\0AUTH EXTERNAL " + who + b"\r\nBEGIN\r\n")
        answer = b""
        while not answer.endswith(b"\r\n"):
            answer += _receive(end, 1)
        if not answer.startswith(b"OK "):
            raise EngineError(f"the service manager at {path} refuses us: {answer.decode('ascii', 'replace').strip()}")
    except BaseException:
        end.close()
        raise
    return end


def call(
    end: Socket, destination: str, path: str, interface: str, member: str, signature: str, values: tuple[Any, ...]
) -> None:
    """Call a method and wait for its reply, which is thrown away; CallFailed when it is an error."""
    end.sendall(_message(destination, path, interface, member, signature, values))
    while True:
        kind, serial, error, body = _read(end)
        if serial != 1 or kind not in (_REPLY, _ERROR):
            continue
        if kind == _ERROR:
            raise CallFailed(error, _text_of(body))
        return


def _message(
    destination: str, path: str, interface: str, member: str, signature: str, values: tuple[Any, ...]
) -> bytes:
    body = bytearray()
    for kind, value in zip(_split(signature), values):
        marshal(body, kind, value)
    fields = [
        (_PATH, ("o", path)),
        (_INTERFACE, ("s", interface)),
        (_MEMBER, ("s", member)),
        (_DESTINATION, ("s", destination)),
        (_SIGNATURE, ("g", signature)),
    ]
    head = bytearray(struct.pack("<cBBBII", b"l", _CALL, 0, 1, len(body), 1))
    marshal(head, "a(yv)", fields)
    _align(head, 8)
    return bytes(head + body)


def marshal(out: bytearray, signature: str, value: Any) -> None:
    """Append `value`, of the one complete type `signature`, to `out`, which begins at a border of eight bytes."""
    kind = signature[0]
    if kind == "y":
        out.append(value)
    elif kind in _NUMBERS:
        number = struct.pack(_NUMBERS[kind], value)
        _align(out, len(number))
        out += number
    elif kind in "so":
        raw = value.encode()
        _align(out, 4)
        out += struct.pack("<I", len(raw)) + raw + b"\0"
    elif kind == "g":
        out += bytes((len(value),)) + value.encode() + b"\0"
    elif kind == "v":
        marshal(out, "g", value[0])
        marshal(out, *value)
    elif kind == "(":
        _align(out, 8)
        for part, item in zip(_split(signature[1:-1]), value):
            marshal(out, part, item)
    else:
        _marshal_array(out, signature[1:], value)


def _marshal_array(out: bytearray, element: str, items: Any) -> None:
    _align(out, 4)
    place = len(out)
    out += b"\0\0\0\0"
    # The padding to the first element belongs to the array, but not to its length.
    _align(out, _alignment(element))
    start = len(out)
    for item in items:
        marshal(out, element, item)
    out[place : place + 4] = struct.pack("<I", len(out) - start)


def _alignment(signature: str) -> int:
    return {"y": 1, "g": 1, "v": 1, "(": 8, "t": 8}.get(signature[0], 4)


def _align(out: bytearray, size: int) -> None:
    out += b"\0" * (-len(out) % size)


def _split(signature: str) -> list[str]:
    """The complete types that a signature is made of."""
    parts, start = [], 0
    while start < len(signature):
        end = start
        while signature[end] == "a":
            end += 1
        depth = 0
        while True:
            depth += {"(": 1, ")": -1}.get(signature[end], 0)
            end += 1
            if not depth:
                break
        parts.append(signature[start:end])
        start = end
    return parts


def _read(end: Socket) -> tuple[int, int, str, bytes]:
    """Type, reply serial, error name and body of the next message."""
    order, kind, _flags, _version, length, _serial, fields = struct.unpack("<cBBBIII", _receive(end, 16))
    if order != b"l" or length > _LONGEST or fields > _LONGEST:
        raise EngineError("the service manager answers in a way that is not understood: restart it, or leave it out")
    head = _receive(end, fields + -fields % 8)[:fields]
    reply, error = _fields(head)
    return kind, reply, error, _receive(end, length)


def _fields(head: bytes) -> tuple[int, str]:
    """The two header fields that matter: REPLY_SERIAL (5, a number) and ERROR_NAME (4, a string)."""
    reply, error, place = 0, "", 0
    while place < len(head):
        place += -place % 8
        code, kind = head[place], chr(head[place + 2])
        place += 4
        if kind == "u":
            place += -place % 4
            number = int.from_bytes(head[place : place + 4], "little")
            place += 4
            reply = number if code == 5 else reply
        elif kind == "g":
            place += head[place] + 2
        else:
            place += -place % 4
            size = int.from_bytes(head[place : place + 4], "little")
            text = head[place + 4 : place + 4 + size].decode("utf-8", "replace")
            place += 4 + size + 1
            error = text if code == 4 else error
    return reply, error


def _text_of(body: bytes) -> str:
    size = int.from_bytes(body[:4], "little")
    return body[4 : 4 + size].decode("utf-8", "replace")


def _receive(end: Socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = end.recv(size - len(data))
        if not part:
            raise EngineError("the service manager ended the connection")
        data += part
    return data
