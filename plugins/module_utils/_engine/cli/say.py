# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command writes to people: whole, as bytes, and with nothing in it that could steer their terminal."""

from __future__ import annotations

import os

from ..errors import from_os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_GAP = 3


def open_missing() -> None:
    """Give a process that was started without standard streams some that go nowhere, before another file gets their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open("/dev/null", os.O_RDWR)


def out(data: bytes, fd: int = 1) -> None:
    """Write to standard output, or `fd`. When nobody reads it any more this process ends by SIGPIPE, as programs do."""
    try:
        write_all(fd, data)
    except BrokenPipeError:
        from ..kernel import signals as signal

        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    except OSError as error:
        raise from_os(error, "write standard output") from error


def text(string: str) -> None:
    """Write text as it is; the caller has made strange names plain."""
    out(string.encode("utf-8", "surrogateescape"))


def line(string: str) -> None:
    """Write one line, made plain."""
    text(plain(string) + "\n")


def json_document(value: object) -> None:
    """Write a JSON document: ASCII, so nothing in it reaches a terminal."""
    import json

    text(json.dumps(value, indent=2) + "\n")


def json_line(value: object) -> None:
    """Write a JSON document as one line without blanks, for programs."""
    import json

    text(json.dumps(value, separators=(",", ":")) + "\n")


def error(sentence: str) -> None:
    """One line on standard error. If that is closed there is nobody to tell."""
    try:
        write_all(2, f"berth: {plain(sentence)}\n".encode("utf-8", "surrogateescape"))
    except OSError:
        return


def write_all(fd: int, data: bytes) -> None:
    """write(2) until everything is written, also to a descriptor that somebody made non-blocking."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            _wait(fd)


def _wait(fd: int) -> None:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    poll.poll()


def plain(string: str) -> str:
    """`string` with every character that does not print (escapes, newlines, what is no UTF-8) written as an escape."""
    if string.isascii() and string.isprintable():
        return string
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in string)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; cells are made plain."""
    lines = [tuple(head), *(tuple(plain(cell) for cell in row) for row in rows)]
    widths = [max(map(len, column)) + _GAP for column in zip(*lines)]
    text("".join("".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip() + "\n" for cells in lines))
