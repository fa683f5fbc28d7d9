# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host id a container's id is, and how a user namespace is told (user_namespaces(7))."""

from __future__ import annotations

import os

from ..errors import InvalidSpec, from_os
from ..kernel import process
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_LARGEST = (1 << 32) - 1


class IdMap(Value):
    """The ranges of a user namespace: first id inside, first outside, how many. Empty: ids are the host's."""

    uids: tuple[tuple[int, int, int], ...] = ()
    gids: tuple[tuple[int, int, int], ...] = ()

    def uid(self, inside: int) -> int:
        """The host's number of a user of the container's. InvalidSpec when it has none."""
        return _outside(self.uids, inside, "user")

    def gid(self, inside: int) -> int:
        """The host's number of a group of the container's. InvalidSpec when it has none."""
        return _outside(self.gids, inside, "group")

    def write(self, pid: int) -> None:
        """Map the ids of the user namespace that process `pid` is in; it has none yet."""
        for file, ranges in (("uid_map", self.uids), ("gid_map", self.gids)):
            text = "".join(f"{inside} {outside} {size}\n" for inside, outside, size in ranges)
            try:
                with open(f"/proc/{pid}/{file}", "w", encoding="utf-8") as target:
                    target.write(text)
            except OSError as error:
                raise from_os(error, f"map the ids {text!a} of a user namespace") from error


def _outside(ranges: tuple[tuple[int, int, int], ...], inside: int, what: str) -> int:
    if not ranges:
        return inside
    for first, outside, size in ranges:
        if first <= inside < first + size:
            return outside + inside - first
    raise InvalidSpec(f"{what} {inside} has no id on the host: the user namespace does not map it")


def read(uid_mappings: Sequence[dict[str, Any]], gid_mappings: Sequence[dict[str, Any]]) -> IdMap:
    """From config.json's "uidMappings" and "gidMappings"."""
    return IdMap(uids=_ranges(uid_mappings, "uidMappings"), gids=_ranges(gid_mappings, "gidMappings"))


def _ranges(entries: Sequence[dict[str, Any]], what: str) -> tuple[tuple[int, int, int], ...]:
    found = []
    for entry in entries:
        numbers = [entry.get(name) for name in ("containerID", "hostID", "size")]
        if not all(isinstance(number, int) and 0 <= number <= _LARGEST for number in numbers) or not numbers[2]:
            raise InvalidSpec(f"{what}: {entry!a} needs containerID, hostID and size")
        found.append((int(numbers[0] or 0), int(numbers[1] or 0), int(numbers[2])))
    return tuple(found)


def of_process(pid: int) -> IdMap:
    """The ranges of the user namespace that process `pid` is in, as seen from here."""
    return IdMap(uids=_of_file(f"/proc/{pid}/uid_map"), gids=_of_file(f"/proc/{pid}/gid_map"))


def _of_file(path: str) -> tuple[tuple[int, int, int], ...]:
    with open(path, encoding="utf-8") as file:
        rows = [line.split() for line in file]
    return tuple((int(first), int(outside), int(size)) for first, outside, size in rows)


def open_userns(ids: IdMap) -> int:
    """A descriptor of a new user namespace with these ranges and nobody in it: for mounts that map ids."""
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    pid = process.clone(process.NEWUSER)
    if pid == 0:
        # Ends by itself when whoever made it is gone.
        os.close(theirs)
        os.read(ours, 1)
        os._exit(0)
    try:
        os.close(ours)
        ids.write(pid)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(theirs)
        os.waitpid(pid, 0)


def check_complete(ids: IdMap) -> None:
    """InvalidSpec when there is a map missing."""
    if not ids.uids or not ids.gids:
        raise InvalidSpec("linux.uidMappings and linux.gidMappings: a new user namespace needs both")
