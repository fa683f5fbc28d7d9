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
    return prepare(make_hooks, group.shelter(hierarchy.mounted(), paths.cgroup))


def make_hooks(root: str, ident: str) -> Hooks:
    """The duties of the supervisor of container `ident`; what they need is imported when they are due."""
    from ..runtime.supervisor import Hooks

    paths, links = Paths(root), []

    def release() -> bool:
        from ..network import attach
        from . import release as room
        from .record import load

        if attach.attachment_of(paths, ident):
            links.append(ident)
        return room.release(paths, load(paths, ident), ended=True)

    def finish() -> None:
        from .record import load
        from .release import discard

        record = load(paths, ident)
        if record.spec.auto_remove:
            discard(paths, record)

    def settle() -> None:
        from ..network import attach

        for link in links:
            attach.finish_release(link)

    return Hooks(release=release, finish=finish, settle=settle)
