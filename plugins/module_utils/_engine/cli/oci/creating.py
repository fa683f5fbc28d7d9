# SPDX-License-Identifier: GPL-3.0-or-later
"""`create` and `run`: from a bundle to a container."""

from __future__ import annotations

from ..options import Command, Option
from . import shared
from .log import warner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...oci.create import Wish
    from ..options import Given

_CREATING = (
    Option("-b --bundle", "the bundle's directory; the current one if left out", "DIRECTORY"),
    Option("-f --config", "the configuration's file in it", "FILE"),
    *shared.STREAMS,
    Option("--no-pivot", "move the root over the host's, where pivot_root(2) can't be had"),
)


def _create(given: Given, asked: Given) -> int:
    preserve = shared.preserved(asked)
    sockets = shared.sockets(3 + preserve)
    midwife = shared.midwife()
    from ...oci import create

    create.create(_wish(given, asked, preserve, sockets), midwife, warner(given), door=True)
    return 0


def _wish(given: Given, asked: Given, preserve: int, sockets: int) -> Wish:
    from ...oci import create

    return create.Wish(
        root=shared.root(given),
        ident=asked.operands[0],
        bundle=asked.text("bundle") or ".",
        config=asked.text("config") or "config.json",
        pid_file=asked.text("pid-file") or "",
        console_socket=asked.text("console-socket") or "",
        pidfd_socket=asked.text("pidfd-socket") or "",
        preserve=preserve + sockets,
        sockets=sockets,
        systemd=given.flag("systemd-cgroup") or given.text("cgroup-manager") == "systemd",
        keyring=not asked.flag("no-new-keyring"),
        pivot=not asked.flag("no-pivot"),
    )


def _run(given: Given, asked: Given) -> int:
    preserve = shared.preserved(asked)
    sockets = shared.sockets(3 + preserve)
    midwife = shared.midwife()
    from ...oci import console, create, ending
    from ...oci.start import let_go, poststart

    wish = _wish(given, asked, preserve, sockets)
    detach = asked.flag("detach")
    made = create.create(wish, midwife, warner(given), door=False)
    master = made.master
    if master >= 0 and wish.console_socket:
        console.send(wish.console_socket, master)
        master = -1
    if master >= 0:
        console.plain(master)

    def begin() -> None:
        with made.runtime:
            let_go(made.runtime, made.config, wish.ident, made.known)
        poststart(made.config, wish.ident, made.known)

    try:
        if detach:
            begin()
            return 0
        from ..foreground import stay

        status = stay(made.pid, master, begin)
    except BaseException:
        with made.home:
            ending.destroy(made.home, made.known, warner(given))
        raise
    if not asked.flag("keep"):
        with made.home:
            ending.destroy(made.home, made.known, warner(given))
    return status


VERBS = {
    "create": (
        Command("oci create", "ID", "Make a container of a bundle; start runs it.", _CREATING, least=1, most=1),
        _create,
    ),
    "run": (
        Command(
            "oci run",
            "ID",
            "Create, start, wait for the end and delete.",
            (
                *_CREATING,
                Option("-d --detach", "leave it running"),
                Option("--keep", "do not delete it at its end"),
            ),
            least=1,
            most=1,
        ),
        _run,
    ),
}
