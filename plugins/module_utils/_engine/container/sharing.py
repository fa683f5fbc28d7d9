# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose namespaces a container shares: found by name when it is made, and running when it starts."""

from __future__ import annotations

from ..errors import Conflict, InvalidSpec, NotFound
from ..security import idranges
from . import record as records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..paths import Paths
    from .record import Record
    from .spec import Spec

_CONTAINER = "container:"
# config.json's words for what an option shares.
_KINDS = (("pid_mode", "pid"), ("ipc_mode", "ipc"))


def check(spec: Spec) -> None:
    """InvalidSpec for namespaces of others that don't go together."""
    targets = {name for name in (_target(spec, option) for option, _kind in _KINDS) if name}
    if spec.name in targets | {_target(spec, "userns_mode")}:
        raise InvalidSpec(f"container {spec.name} can't share namespaces with itself: name another container")
    if spec.userns_mode == "auto" and len(targets) > 1:
        raise InvalidSpec("pid_mode and ipc_mode are of two containers: say by userns_mode whose user ids it gets")
    if spec.userns_mode == "nomap" and targets:
        raise InvalidSpec(f"userns_mode nomap has ids of its own, and {min(targets)} has others: use auto")


def owner_of_ids(spec: Spec) -> str:
    """The container whose user namespace this one shares, "" for none: by userns_mode, else with its processes or its IPC."""
    if spec.userns_mode != "auto":
        return _target(spec, "userns_mode")
    return _target(spec, "pid_mode") or _target(spec, "ipc_mode")


def range_for(paths: Paths, spec: Spec, ident: str) -> int | None:
    """The first host id of what will be the container's user namespace: its own now, or that of the one whose it shares."""
    if spec.userns_mode == "host":
        return None
    owner = owner_of_ids(spec)
    return records.find(paths, owner).id_start if owner else idranges.reserve(paths, ident)


def claim(paths: Paths, record: Record) -> tuple[Record, dict[str, int]]:
    """The record with the range that it has now, and the process whose namespace is shared by kind: "user", "pid", "ipc".

    The range stays in use until `give_back`. NotFound when a container that is needed does not run, Conflict when its
    namespaces are not to be had.
    """
    spec, pids = record.spec, {}
    owner = owner_of_ids(spec)
    if owner:
        other, pid = _running(paths, owner, "userns_mode")
        if record.id_start is not None and record.id_start != other.id_start:
            idranges.unshare(paths, record.id_start, record.id)
        if record.id_start != other.id_start:
            record = record.replace(id_start=other.id_start)
            records.write(record, paths.container(record.id))
        if record.id_start is not None:
            _share_range(paths, record, other)
            pids["user"] = pid
    for option, kind in _KINDS:
        name = _target(spec, option)
        if name:
            other, pid = _running(paths, name, option)
            _check_owner(record, other, option)
            pids[kind] = pid
    return record, pids


def give_back(paths: Paths, record: Record) -> None:
    """The end of `claim`. Idempotent."""
    if record.id_start is not None and owner_of_ids(record.spec):
        idranges.unshare(paths, record.id_start, record.id)


def _share_range(paths: Paths, record: Record, other: Record) -> None:
    holder = _holder(paths, other)
    if record.id_start is None or not idranges.share(paths, record.id_start, holder, record.id):
        raise NotFound(f"userns_mode: container {other.name} does not run: start it first")


def _holder(paths: Paths, other: Record) -> str:
    """Who holds the range of `other`: itself, or the one it shares it with in turn."""
    return idranges.holder(paths, other.id_start) if other.id_start is not None else other.id


def _check_owner(record: Record, other: Record, option: str) -> None:
    if option == "ipc_mode" and other.spec.ipc_mode not in ("shareable", "host") and not _target(other.spec, option):
        raise Conflict(f"ipc_mode: container {other.name} does not share its IPC: make it with ipc_mode shareable")
    if record.id_start is not None and record.id_start != other.id_start:
        raise Conflict(
            f"{option}: container {other.name} has other user ids: use userns_mode container:{other.name}, or leave it out"
        )


def _running(paths: Paths, name: str, option: str) -> tuple[Record, int]:
    other = records.find(paths, name)
    now = other.state(paths)
    if now.status not in ("running", "paused"):
        raise NotFound(f"{option}: container {name} does not run: start it first")
    return other, now.pid


def _target(spec: Spec, option: str) -> str:
    mode: str = getattr(spec, option)
    return mode[len(_CONTAINER) :] if mode.startswith(_CONTAINER) else ""
