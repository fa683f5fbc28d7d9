# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's supervisor and what it does at the end; light, so that one can be forked before anything else is imported."""

from __future__ import annotations

from ..cgroup import hierarchy, places, scopes
from ..errors import EngineError
from ..kernel.sockets import Socket
from ..paths import Paths
from ..runtime import link
from ..runtime.nursery import Nursling, prepare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..runtime.supervisor import Hooks


def fork_supervisor(paths: Paths) -> Nursling:
    """A supervisor for the next `start`: worth forking early, while the spec and the image are still to be read.

    It lives in a cgroup of ours, so that it outlives the session of whoever starts it: under systemd in the container's
    scope, which `start` tells it.
    """
    if scopes.managed():
        return prepare(lambda end: _supervise(end, (), ""))
    here = hierarchy.mounted()
    groups = places.shelter(here, paths.cgroup)
    return prepare(lambda end: _supervise(end, groups, places.birthplace(here, groups)))


def fork_connector(paths: Paths) -> Nursling:
    """A process that will connect the next `start` to its network; importing netlink is most of that."""
    return prepare(lambda end: _connect(paths, end))


def connect(connector: Nursling, ident: str, pid: int) -> None:
    """Let the connector connect the process `pid` of container `ident`, whose place is reserved."""
    link.send(connector.link, "connect", {"ident": ident, "pid": pid})
    link.receive(connector.link, "connected")


def _connect(paths: Paths, end: Socket) -> int:
    from ..network import attach

    attach.warm()
    try:
        order, _fds = link.receive(end, "connect")
    except EngineError:
        return 0  # nobody needs us
    try:
        place = attach.attachment_of(paths, order["ident"])
        if place:
            attach.connect(paths, place, order["pid"])
        link.send(end, "connected")
    except (EngineError, OSError) as error:
        link.send_error(end, error)
        return 1
    return 0


def _supervise(end: Socket, groups: tuple[str, ...], unified: str) -> int:
    if groups:
        from ..runtime.groups import fork

        # A small process is born faster: what it lives by is imported after.
        if fork(unified):
            return 0
    from ..runtime import supervisor

    return supervisor.main(end, make_hooks, groups, unified)


def make_hooks(root: str, ident: str) -> Hooks:
    """The duties of the supervisor of container `ident`; what they need is imported when they are due."""
    from ..runtime.supervisor import Hooks

    paths = Paths(root)
    links: list[str] = []
    rubbish: list[str] = []

    def warm() -> None:
        from . import record, release  # noqa: F401

    def parting() -> tuple[int, float]:
        from ..kernel import signals
        from .record import load
        from .stop import manner

        try:
            name, seconds = manner(paths, load(paths, ident))
            return signals.number_of(name), seconds
        except (EngineError, OSError):
            return signals.SIGKILL, 0.0  # it was removed, or its record can't be read

    def release() -> bool:
        from . import release as room
        from .record import load

        record = load(paths, ident)
        if record.spec.network_mode == "bridge":
            links.append(ident)
        return room.release(paths, record, ended=True)

    def finish() -> None:
        from .record import load
        from .release import withdraw

        record = load(paths, ident)
        if record.spec.auto_remove:
            rubbish.append(withdraw(paths, record))

    def settle() -> None:
        from .release import delete

        for name in links:
            from ..network import attach

            attach.finish_release(name)
        for trash in rubbish:
            delete(trash)

    return Hooks(warm=warm, parting=parting, release=release, finish=finish, settle=settle)
