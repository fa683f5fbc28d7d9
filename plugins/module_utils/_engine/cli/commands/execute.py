# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth exec`: one more process in a running container."""

from __future__ import annotations

import os

from ...container import record as records
from ...container.execute import ExecSpec, open_session
from .. import terminal
from ..attaching import UNREAD
from ..conversation import Joined
from ..creation import environment
from ..options import Command, Option
from ..signals import ENDING, leave, unwind_on_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ...runtime.joining import Session
    from ..options import Given

COMMAND = Command(
    "exec",
    "CONTAINER COMMAND [ARG...]",
    "Run a command in a container that runs. The exit status is the command's; 125 is an error of berth, 126 and 127 are a\n"
    "command that can't be executed or is not there.",
    (
        Option("-d --detach", "leave it running and throw its output away"),
        Option("-e --env", "an environment variable; NAME alone takes this shell's", "NAME=VALUE", many=True),
        Option("--env-file", "a file of lines NAME=VALUE", "FILE", many=True),
        Option("-i --interactive", "connect standard input"),
        Option("--privileged", "every capability"),
        Option("-t --tty", "give it a terminal"),
        Option("-u --user", "who runs the command", "USER[:GROUP]"),
        Option("-w --workdir", "the directory it starts in", "PATH"),
    ),
    least=2,
    ends=True,
    runs_program=True,
)


def run(paths: Paths, given: Given) -> int:
    tty, interactive, detach = given.flag("tty"), given.flag("interactive"), given.flag("detach")
    if tty and interactive and not detach:
        terminal.check()
    name, *argv = given.operands
    spec = ExecSpec(
        argv=tuple(argv),
        env=environment(given),
        user=given.text("user"),
        working_dir=given.text("workdir"),
        tty=tty,
        size=terminal.size(0) if tty else None,
        privileged=given.flag("privileged"),
    )
    record = records.find(paths, name)
    unwind_on_end()
    if detach:
        return _leave(open_session(paths, record, spec))
    with open_session(paths, record, spec) as session:
        return _converse(session, interactive=interactive)


def _converse(session: Session, *, interactive: bool) -> int:
    talk = Joined(session, 0 if interactive else -1)
    with terminal.Raw(0 if interactive and session.master >= 0 else -1) as raw:
        talk.resize()
        talk.hold(dict.fromkeys(ENDING, leave), raw)
        if talk.unread and session.master >= 0:
            return UNREAD
        return session.wait()


def _leave(session: Session) -> int:
    """Let the process run on; a process of ours stays to read what it writes, which would block it otherwise."""
    session.close_stdin()
    if os.fork():
        return 0
    try:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        _drain({session.stdout, session.stderr, session.master} - {-1})
    finally:
        os._exit(0)


def _drain(fds: set[int]) -> None:
    import select

    while fds:
        for fd in select.select(tuple(fds), (), ())[0]:
            try:
                data = os.read(fd, 1 << 16)
            except OSError:
                data = b""
            if not data:
                fds.discard(fd)
