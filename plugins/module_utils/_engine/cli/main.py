# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth COMMAND ...`: finds the command, reads its options, turns errors into one line and an exit status."""

from __future__ import annotations

import gc
import os

from ..errors import CommandNotExecutable, CommandNotFound, EngineError, NotPermitted
from ..kernel import signals as signal
from ..paths import Paths
from . import say
from .options import Command, Option, UsageError, nearest
from .signals import Signalled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from .options import Given

    class Module(Protocol):
        COMMAND: Command
        run: Callable[[Paths, Given], int]


# The order is that of the help.
COMMANDS = {
    "run": "run",
    "exec": "execute",
    "attach": "attach",
    "ps": "ps",
    "logs": "logs",
    "create": "create",
    "start": "start",
    "stop": "stop",
    "restart": "restart",
    "kill": "kill",
    "pause": "pause",
    "unpause": "unpause",
    "stats": "stats",
    "update": "update",
    "rm": "rm",
    "inspect": "inspect",
    "diff": "diff",
    "port": "port",
    "commit": "commit",
    "images": "images",
    "import": "bring",
    "pull": "pull",
    "push": "push",
    "save": "save",
    "load": "load",
    "login": "login",
    "logout": "logout",
    "tag": "tag",
    "rmi": "rmi",
    "prune": "prune",
    "system": "system",
    "oci": "oci",
    "version": "version",
    "help": "help",
}
ROOT = Option("--root", "where the state lies; also $BERTH_ROOT", "DIRECTORY")
GLOBAL = Command("", "COMMAND [ARG...]", "", (ROOT, Option("--version", "the same as the command version")), ends=True)
_NEED_NO_RIGHTS = ("version", "help", "oci")
_ENGINE_FAILED = 125


def main(argv: Sequence[str]) -> int:
    """Carry out one command; the exit status is the program's for those that run one, else 0 or the error's."""
    # A command lives too briefly to have garbage; its collections while importing cost 1 ms.
    gc.disable()
    say.open_missing()
    runs_program = False
    try:
        given = GLOBAL.read(argv)
        words = given.operands or (("version",) if given.flag("version") else ("help",))
        if given.flag("help"):
            words = ("help",)
        command = load(words[0])
        runs_program = command.COMMAND.runs_program
        return _carry_out(command, given.text("root"), words[1:])
    except EngineError as error:
        say.error(str(error))
        return _status(error, runs_program=runs_program)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Signalled as signalled:
        return 128 + signalled.number


def load(name: str) -> Module:
    """The module of a command; its name is checked here."""
    if name not in COMMANDS:
        raise UsageError(f"{name!a} is no command of berth{nearest(name, COMMANDS)}: berth help lists them")
    module: Module = __import__(f"{__package__}.commands.{COMMANDS[name]}", fromlist=["run"])
    return module


def _carry_out(module: Module, root: str | None, words: Sequence[str]) -> int:
    command = module.COMMAND
    given = command.read(words)
    if given.flag("help"):
        say.text(command.help())
        return 0
    command.check(given)
    if command.name in _NEED_NO_RIGHTS:
        return module.run(Paths(root), given)
    if os.geteuid() != 0:
        raise NotPermitted(f"berth {command.name} needs root: try sudo berth {command.name}")
    paths = Paths(root)
    paths.prepare()
    return module.run(paths, given)


def _status(error: EngineError, *, runs_program: bool) -> int:
    """126 and 127 are the program's; every other error of a command that runs one must not look like the program's own."""
    if runs_program and not isinstance(error, (CommandNotFound, CommandNotExecutable)):
        return _ENGINE_FAILED
    return error.exit_code
