# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth oci`, and the program `berth-oci`: the command line of OCI runtimes, with options where runc takes them."""

from __future__ import annotations

import gc
import os

from ...errors import CommandNotExecutable, CommandNotFound, EngineError, InvalidSpec, NotPermitted
from ...version import OCI, VERSION
from .. import say
from ..oci import log
from ..options import Command, Given, Option, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...paths import Paths

COMMAND = Command(
    "oci",
    "COMMAND [ARG...]",
    "Run bundles of the Open Container Initiative's runtime specification, as Podman, containerd and others ask for it:\n"
    "create start state kill delete run exec pause resume list ps events update features spec",
    (
        Option("--root", "where the runtime keeps what it knows of containers", "DIRECTORY"),
        Option("--log", "a file for errors and warnings", "FILE"),
        Option("--log-format", "text or json", "FORMAT"),
        Option("--log-level", "taken for the sake of callers", "LEVEL"),
        Option("--debug", "tell what is done, in the log or on standard error"),
        Option("--systemd-cgroup", "each container is in a scope that systemd makes"),
        Option("--cgroup-manager", "cgroupfs or systemd", "NAME"),
        Option("--rootless", "taken for the sake of callers", "WORD"),
        Option("--criu", "taken for the sake of callers", "PATH"),
        Option("-v --version", "show the version"),
    ),
    ends=True,
)
# Which file of cli/oci has which command.
_FILES = {
    "create": "creating",
    "run": "creating",
    "exec": "execute",
    "start": "life",
    "kill": "life",
    "delete": "life",
    "pause": "life",
    "resume": "life",
    "state": "looking",
    "list": "looking",
    "ps": "looking",
    "events": "looking",
    "features": "looking",
    "update": "update",
    "spec": "spec",
}
_NEED_NO_RIGHTS = ("features", "spec")


def main(argv: Sequence[str]) -> int:
    """The program `berth-oci`: the exit status of `run` and `exec` is the process's, else 0, or 1 for an error; 255 for one of `exec`."""
    gc.disable()
    say.open_missing()
    try:
        given = COMMAND.read(argv)
    except EngineError as error:
        say.error(str(error))
        return 1
    return _guarded(given)


def run(paths: Paths, given: Given) -> int:
    """`berth oci`: the same."""
    del paths
    return _guarded(given)


def _guarded(given: Given) -> int:
    try:
        return _carry_out(given)
    except EngineError as error:
        log.write(given, "error", _words(error))
        # A program that is executed ends with 1 more often than with 255.
        return 255 if given.operands[:1] == ("exec",) else 1


def _carry_out(given: Given) -> int:
    if given.flag("version"):
        say.text(f"berth-oci version {VERSION}\nspec: {OCI}\n")
        return 0
    if given.flag("help") or not given.operands:
        say.text(COMMAND.help())
        return 0
    name, *words = given.operands
    command, verb = _load(name)
    log.check(given)
    asked = command.read(words)
    if asked.flag("help"):
        say.text(command.help())
        return 0
    command.check(asked)
    if os.geteuid() != 0 and name not in _NEED_NO_RIGHTS:
        raise NotPermitted(f"berth oci {name} needs root")
    log.debug(given, f"{name} begins: {' '.join(words)}")
    status = verb(given, asked)
    log.debug(given, f"{name} ends with status {status}")
    return status


def _load(name: str) -> tuple[Command, Callable[[Given, Given], int]]:
    """A command and who carries it out; its name is checked here."""
    if name not in _FILES:
        raise InvalidSpec(
            f"{name!a} is no command of an OCI runtime{nearest(name, _FILES)}: berth oci --help lists them"
        )
    module = __import__(f"{__package__.rpartition('.')[0]}.oci.{_FILES[name]}", fromlist=["VERBS"])
    found: tuple[Command, Callable[[Given, Given], int]] = module.VERBS[name]
    return found


def _words(error: EngineError) -> str:
    """Podman and Docker tell 127 and 126 by what other runtimes say."""
    if isinstance(error, CommandNotFound) and "no such file or directory" not in str(error):
        return f"{error}: executable file not found in $PATH: no such file or directory"
    if isinstance(error, CommandNotExecutable):
        return f"{error}: cannot execute"
    return str(error)
