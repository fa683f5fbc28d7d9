# SPDX-License-Identifier: GPL-3.0-or-later
"""One more process in a foreign container, of which nothing is trusted: joined by descriptors, then the same last steps as its first."""

from __future__ import annotations

import os

from ..kernel import process
from ..kernel.sockets import Socket
from . import groups, limits, link, memory, pty
from .become import become
from .foreign_init import Door, become_root, take_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .foreign import Order


def prepare(order: Order) -> None:
    """What needs the host's rights and files: this process joins the groups, but for the one in which its child is born."""
    wanted = order.process or {}
    groups.join(order.cgroups, order.unified)
    limits.run_on(wanted, "final")
    # A process of SCHED_DEADLINE has no children (sched(7)); who asked for this one gives it its policy at the end.
    limits.give(0, {**wanted, "scheduler": None}, strict=True)
    memory.take(order.oci["linux"])
    os.chdir("/")


def main(order: Order, runtime: Socket, spaces: dict[str, int]) -> NoReturn:
    """Runs in the container, right after clone; leaves by execve(2), or with status 1 once the runtime knows why."""
    door = Door(runtime, -1)
    try:
        process.set_dumpable(False)
        if "cgroup" in spaces:
            process.setns(spaces["cgroup"], process.NEWCGROUP)
        if "mount" in spaces:
            process.setns(spaces["mount"], process.NEWNS)
        if "user" in order.joined:
            become_root()
        # A change of ids resets it, and the container's processes could look into this one.
        process.set_dumpable(False)
        wanted = order.process or {}
        if wanted.get("terminal"):
            master, slave, _path = pty.open_pair()
            take_terminal(wanted, runtime, master, slave)
        else:
            os.setsid()
        become(
            wanted,
            personality=order.oci["linux"].get("personality"),
            program=order.filter(),
            report=door.report,
            gate=door.wait,
            preserve=order.preserve,
            keyring=order.keyring,
        )
    except BaseException as error:
        link.send_error(door.end, error)
        os._exit(1)
