# SPDX-License-Identifier: GPL-3.0-or-later
"""`exec`: one more process in a container."""

from __future__ import annotations

from ..options import Command, Option
from . import shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options import Given


def _exec(given: Given, asked: Given) -> int:
    preserve = shared.preserved(asked)
    midwife = shared.midwife()
    from ...oci import execute

    ident, *args = asked.operands
    no_new_privs = asked.text("no-new-privs")
    wish = execute.Wish(
        root=shared.root(given),
        ident=ident,
        args=tuple(args),
        process=asked.text("process") or "",
        cwd=asked.text("cwd") or "",
        env=asked.many("env"),
        user=asked.text("user") or "",
        groups=tuple(shared.number(text, "additional-gids") for text in asked.many("additional-gids")),
        capabilities=asked.many("cap"),
        tty=asked.flag("tty"),
        no_new_privs=None if no_new_privs is None else asked.flag("no-new-privs"),
        apparmor=asked.text("apparmor") or "",
        selinux=asked.text("process-label") or "",
        detach=asked.flag("detach"),
        pid_file=asked.text("pid-file") or "",
        console_socket=asked.text("console-socket") or "",
        pidfd_socket=asked.text("pidfd-socket") or "",
        subgroups=asked.many("cgroup"),
        preserve=preserve,
        ignore_paused=asked.flag("ignore-paused"),
        keyring=not asked.flag("no-new-keyring"),
    )
    pid, master = execute.start(wish, midwife)
    if wish.detach:
        return 0
    from ..foreground import stay

    return stay(pid, master, lambda: None)


VERBS = {
    "exec": (
        Command(
            "oci exec",
            "ID COMMAND [ARG...]",
            "Run one more process in a container.",
            (
                Option("-p --process", "a file with the process object of config.json", "FILE"),
                Option("--cwd", "the directory it starts in", "PATH"),
                Option("-e --env", "an environment variable", "NAME=VALUE", many=True),
                Option("-t --tty", "give it a terminal"),
                Option("-u --user", "who runs it", "UID[:GID]"),
                Option("-g --additional-gids", "more groups", "GID", many=True),
                Option("-d --detach", "leave it running"),
                Option("-c --cap", "one more capability", "CAP", many=True),
                Option("--no-new-privs", "no gain of privileges by execve"),
                Option("--apparmor", "an AppArmor profile", "NAME"),
                Option("--process-label", "an SELinux label", "LABEL"),
                Option("--ignore-paused", "also in a container that is paused"),
                Option(
                    "--cgroup",
                    "a group below the container's, on version 1 also for some controllers alone",
                    "[CONTROLLER,...:]PATH",
                    many=True,
                ),
                *shared.STREAMS,
            ),
            least=1,
            ends=True,
        ),
        _exec,
    ),
}
