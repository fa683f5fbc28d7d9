# SPDX-License-Identifier: GPL-3.0-or-later
"""Holding a group to its device rules: by version 1's controller where there is one, else by a program on version 2's group."""

from __future__ import annotations

import errno
import os

from ..errors import KernelError, Unsupported
from . import devices as rules
from .devices import Decision, Rule
from .hierarchy import Hierarchy
from .writing import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_DENIED = (errno.EPERM, errno.EACCES, errno.EROFS)


def devices(hierarchy: Hierarchy, place: str, entries: Iterable[dict[str, Any]], *, fresh: bool) -> None:
    """Let the group at `place` use what `entries` (`linux.resources.devices`) allow, and nothing else; also while it runs.

    `fresh` says that it has no rules yet. Unsupported when this host can't. In a user namespace it is left: there
    nobody can make a node that works, so a process has only those that it was given.
    """
    read = rules.read(entries)
    if fresh and _allows_all(read):
        return
    problem = _by_list(hierarchy, place, read)
    if problem and hierarchy.v2:
        problem = _by_program(f"{hierarchy.v2}/{place}", read)
    if problem and not _is_nested():
        raise problem


def _allows_all(read: tuple[Rule, ...]) -> bool:
    return all(rule.allow for rule in read)


def _by_list(hierarchy: Hierarchy, place: str, read: tuple[Rule, ...]) -> Exception | None:
    """None when it is done, else what is in the way."""
    if "devices" not in hierarchy.v1:
        return Unsupported("devices: this kernel has no devices cgroup controller: mount it")
    home = f"{hierarchy.v1['devices']}/{place}"
    try:
        _write_list(home, rules.decide(read))
    except Unsupported as error:
        return error
    except (KernelError, OSError) as error:
        if error.errno not in _DENIED:
            raise
        return Unsupported(
            f"devices: the devices cgroup controller can't be written here ({error}): run with more rights"
        )
    return None


def _write_list(home: str, decision: Decision) -> None:
    with open(f"{home}/devices.list", encoding="utf-8") as file:
        listed = file.read()
    for file_name, line in rules.transition(listed, decision):
        put(f"{home}/{file_name}", line)


def _by_program(home: str, read: tuple[Rule, ...]) -> Exception | None:
    from ..kernel import bpf
    from .devicebpf import program

    group = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        loaded = bpf.load_device_program(program(read))
        try:
            bpf.attach_device_program(group, loaded)
        finally:
            os.close(loaded)
    except KernelError as error:
        return Unsupported(
            f"devices: this kernel takes no device filter for cgroup v2 ({error}): mount cgroup v1's devices"
        )
    finally:
        os.close(group)
    return None


def _is_nested() -> bool:
    with open("/proc/self/uid_map", encoding="utf-8") as file:
        return file.read().split() != ["0", "0", "4294967295"]
