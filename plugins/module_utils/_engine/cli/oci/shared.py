# SPDX-License-Identifier: GPL-3.0-or-later
"""What several commands are given in the same way: the runtime's root, descriptors to keep, and the process that starts others."""

from __future__ import annotations

import os

from ...errors import InvalidSpec
from ...oci.store import DEFAULT_ROOT
from ..options import Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...runtime.nursery import Nursling
    from ..options import Given

STREAMS = (
    Option("--console-socket", "a socket that is sent the terminal", "PATH"),
    Option("--pid-file", "where the process's pid is written", "PATH"),
    Option("--pidfd-socket", "a socket that is sent a descriptor of the process", "PATH"),
    Option("--preserve-fds", "how many descriptors from 3 up the process keeps", "NUMBER"),
    Option("--no-new-keyring", "keep the caller's session keyring"),
    Option("--no-subreaper", "taken for the sake of callers"),
)
FORMAT = Option("-f --format", "table or json", "FORMAT")


def root(given: Given) -> str:
    """Where the runtime keeps what it knows."""
    return given.text("root") or DEFAULT_ROOT


def sockets(first: int) -> int:
    """How many sockets follow that were passed on as systemd does (sd_listen_fds(3)), as far as they are there."""
    text = os.environ.get("LISTEN_FDS") or "0"
    count = 0
    while text.isascii() and text.isdigit() and count < int(text) < 1000 and _is_open(first + count):
        count += 1
    return count


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def preserved(asked: Given) -> int:
    """How many descriptors from 3 up are to be kept. InvalidSpec when one is not open."""
    text = asked.text("preserve-fds") or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise InvalidSpec(f"--preserve-fds: {text!a} is no number")
    for fd in range(3, 3 + int(text)):
        if not _is_open(fd):
            raise InvalidSpec(f"--preserve-fds: descriptor {fd} is not open")
    return int(text)


def midwife() -> Nursling:
    """Started before anything else is imported: it gets ready meanwhile."""
    from ...runtime import sealed

    return sealed.start("runtime.foreign")


def number(text: str, option: str, *, signed: bool = False) -> int:
    """InvalidSpec when the text is none."""
    digits = text.removeprefix("-") if signed else text
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidSpec(f"--{option}: {text!a} is no number")
    return int(text)
