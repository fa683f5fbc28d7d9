# SPDX-License-Identifier: GPL-3.0-or-later
"""`start`, `kill`, `delete`, `pause` and `resume`: what becomes of a container."""

from __future__ import annotations

from ...errors import InvalidSpec
from ..options import Command, Option
from .log import warner
from .shared import root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..options import Given


def _start(given: Given, asked: Given) -> int:
    from ...oci.start import start

    start(root(given), asked.operands[0], warner(given))
    return 0


def _kill(given: Given, asked: Given) -> int:
    from ...kernel import signals
    from ...oci.ending import kill

    ident, *words = asked.operands
    name = asked.text("signal") or (words[0] if words else "SIGTERM")
    # kill(2): with 0 nothing is sent, and it is only seen whether there is somebody.
    number = 0 if name == "0" else signals.number_of(name)
    kill(root(given), ident, number, everybody=asked.flag("all"))
    return 0


def _delete(given: Given, asked: Given) -> int:
    from ...oci.ending import delete

    for ident in _matching(root(given), asked.operands) if asked.flag("regex") else asked.operands:
        delete(root(given), ident, warner(given), force=asked.flag("force"))
    return 0


def _matching(home: str, patterns: Sequence[str]) -> list[str]:
    """The containers of which a part of the name is one of the patterns. InvalidSpec for what is none."""
    import re

    from ...oci.store import idents

    try:
        found = [re.compile(pattern) for pattern in patterns]
    except re.error as error:
        raise InvalidSpec(f"--regex: {error.pattern!a} is no regular expression: {error}") from None
    return [ident for ident in idents(home) if any(pattern.search(ident) for pattern in found)]


def _pause(given: Given, asked: Given) -> int:
    from ...oci.looking import pause

    pause(root(given), asked.operands[0], frozen=True)
    return 0


def _resume(given: Given, asked: Given) -> int:
    from ...oci.looking import pause

    pause(root(given), asked.operands[0], frozen=False)
    return 0


VERBS = {
    "start": (Command("oci start", "ID", "Run the program of a container that is created.", least=1, most=1), _start),
    "kill": (
        Command(
            "oci kill",
            "ID [SIGNAL]",
            "Send a signal, TERM if left out.",
            (
                Option("-a --all", "to every process of the container"),
                Option("-s --signal", "the signal", "SIGNAL"),
            ),
            least=1,
            most=2,
        ),
        _kill,
    ),
    "delete": (
        Command(
            "oci delete",
            "ID...",
            "Take a container that is stopped away.",
            (
                Option("-f --force", "kill it first; it need not be there"),
                Option("--regex", "each ID is a regular expression, for every container of which it is a part"),
            ),
            least=1,
        ),
        _delete,
    ),
    "pause": (Command("oci pause", "ID", "Stop every process of a container.", least=1, most=1), _pause),
    "resume": (Command("oci resume", "ID", "Let the processes of a container go on.", least=1, most=1), _resume),
}
