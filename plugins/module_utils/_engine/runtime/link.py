# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages between the engine's own processes while a container starts: JSON with descriptors, one message a packet."""

from __future__ import annotations

import os

from .. import jsontext
from ..errors import EngineError, named
from ..kernel import sockets
from ..kernel.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LONGEST = 1 << 16


def pair() -> tuple[Socket, Socket]:
    """Two connected ends that keep the borders of messages."""
    return sockets.pair(sockets.SOCK_SEQPACKET)


def send(end: Socket, word: str, fields: dict[str, Any] | None = None, fds: tuple[int, ...] = ()) -> None:
    """Send `word` with fields and descriptors (at most 250). Why the other side is gone, if it is and said so, is raised."""
    data = jsontext.dumps({"word": word, **(fields or {})}).encode()
    rights = [(sockets.SOL_SOCKET, sockets.SCM_RIGHTS, b"".join(fd.to_bytes(4, "little") for fd in fds))] if fds else []
    try:
        end.sendmsg([data], rights)
    except (BrokenPipeError, ConnectionResetError):
        receive(end, "reason")
        raise


def receive(end: Socket, word: str, *others: str) -> tuple[dict[str, Any], tuple[int, ...]]:
    """The message `word`, or one of `others`, that must come next. An error message is raised; an end of the other side is one, too."""
    try:
        data, rights = _receive(end)
    except ConnectionResetError:
        # The other side closed without having read all of ours; what it said before still waits behind this error.
        data, rights = _receive(end)
    if not data:
        raise EngineError(f"the container's process ended while it was starting (waited for {word})")
    fields = jsontext.loads(data)
    if "error" in fields:
        raise named(fields["kind"], fields["error"])
    if fields["word"] != word and fields["word"] not in others:
        raise EngineError(f"the container's process said {fields['word']} instead of {word}")
    raw = b"".join(part for _level, _kind, part in rights)
    return fields, tuple(int.from_bytes(raw[at : at + 4], "little") for at in range(0, len(raw), 4))


def _receive(end: Socket) -> tuple[bytes, list[tuple[int, int, bytes]]]:
    return end.recvmsg(_LONGEST, sockets.CMSG_SPACE(250 * 4), sockets.MSG_CMSG_CLOEXEC)[:2]


def send_error(end: Socket, error: BaseException) -> None:
    """Tell the other side why; an error of ours keeps its class, anything else its type's name."""
    kind = type(error).__name__
    text = str(error) if isinstance(error, (EngineError, OSError)) else f"{kind}: {error}"
    try:
        end.send(jsontext.dumps({"word": "error", "kind": kind, "error": text[:4000]}).encode())
    except OSError:
        os.write(2, text.encode() + b"\n")
