# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's supervisor and what it does at the end; light, so that one can be forked before anything else is imported."""

from __future__ import annotations

from ..cgroup import group, hierarchy
from ..paths import Paths
from ..runtime.nursery import Nursling, prepare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..runtime.supervisor import Hooks


def fork_supervisor(paths: Paths) -> Nursling:
    """A supervisor for the next `start`: worth forking early, while the spec and the image are still to be read."""
    paths.prepare()
    here = hierarchy.mounted()
    groups = group.shelter(here, paths.cgroup)
    return prepare(make_hooks, get_ready, groups, group.birthplace(here, groups))


def get_ready() -> None:
    """Import what the hooks need, while there is nothing else to do."""
    from . import record, release  # noqa: F401


def make_hooks(root: str, ident: str) -> Hooks:
    """The duties of the supervisor of container `ident`; what they need is imported when they are due."""
    from ..runtime.supervisor import Hooks

    paths = Paths(root)
    links: list[str] = []
    rubbish: list[str] = []

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

        for link in links:
            from ..network import attach

            attach.finish_release(link)
        for trash in rubbish:
            delete(trash)

    return Hooks(release=release, finish=finish, settle=settle)
