# SPDX-License-Identifier: GPL-3.0-or-later
"""`state`, `list`, `ps` and `features`: what is there, and what this runtime can do."""

from __future__ import annotations

from ...errors import InvalidSpec, MissingDependency
from ...units import parse_duration
from .. import say
from ..options import Command, Option
from .shared import FORMAT, root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options import Given


def _state(given: Given, asked: Given) -> int:
    from ...oci.looking import state

    say.json_document(state(root(given), asked.operands[0]))
    return 0


def _list(given: Given, asked: Given) -> int:
    from ...oci.looking import everything

    found = everything(root(given))
    if asked.flag("quiet"):
        for item in found:
            say.line(item["id"])
    elif asked.text("format") == "json":
        say.json_line(found)
    else:
        rows = ([str(item[name]) for name in ("id", "pid", "status", "bundle", "created", "owner")] for item in found)
        say.table(("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"), rows)
    return 0


def _ps(given: Given, asked: Given) -> int:
    from ...oci.looking import processes

    ident, *words = asked.operands
    found = processes(root(given), ident)
    if asked.text("format") == "json":
        say.json_line(found)
    else:
        for line in _of_ps(words or ["-ef"], frozenset(map(str, found))):
            say.line(line)
    return 0


def _of_ps(words: list[str], pids: frozenset[str]) -> list[str]:
    """What ps(1) says of these processes, with its head."""
    import subprocess

    try:
        done = subprocess.run(["ps", *words], capture_output=True, check=False, text=True, errors="surrogateescape")
    except OSError as error:
        raise MissingDependency(
            f"ps: {error.strerror}: install it (Debian's procps), or ask for --format json"
        ) from error
    if done.returncode:
        raise InvalidSpec(f"ps {' '.join(words)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    head, *lines = done.stdout.splitlines() or [""]
    if "PID" not in head.split():
        raise InvalidSpec(f"ps {' '.join(words)}: there is no column PID to tell the container's processes by")
    column = head.split().index("PID")
    return [head, *(line for line in lines if line.split()[column : column + 1] and line.split()[column] in pids)]


def _events(given: Given, asked: Given) -> int:
    from ...oci.events import follow, once

    ident = asked.operands[0]
    interval = parse_duration(asked.text("interval") or "5s", "--interval")
    if interval <= 0:
        raise InvalidSpec("--interval: it is not above 0")
    if asked.flag("stats"):
        say.json_line(once(root(given), ident))
        return 0
    for event in follow(root(given), ident, interval):
        say.json_line(event)
    return 0


def _features(given: Given, asked: Given) -> int:
    del given, asked
    from ...oci.features import features

    say.json_document(features())
    return 0


VERBS = {
    "state": (Command("oci state", "ID", "Show a container's state.", least=1, most=1), _state),
    "list": (
        Command("oci list", "", "Show all containers.", (FORMAT, Option("-q --quiet", "only ids")), most=0),
        _list,
    ),
    "ps": (
        Command(
            "oci ps",
            "ID [PS-OPTION...]",
            "Show the processes in a container by ps(1), -ef if left out.",
            (FORMAT,),
            least=1,
            ends=True,
        ),
        _ps,
    ),
    "events": (
        Command(
            "oci events",
            "ID",
            "Show what a container uses, and when the kernel kills in it for lack of memory, as lines of JSON.",
            (
                Option("--stats", "once, and no more"),
                Option("--interval", "the time between two looks, 5s if left out", "DURATION"),
            ),
            least=1,
            most=1,
        ),
        _events,
    ),
    "features": (Command("oci features", "", "Show what this runtime implements.", most=0), _features),
}
