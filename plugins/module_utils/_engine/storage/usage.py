# SPDX-License-Identifier: GPL-3.0-or-later
"""What the store takes on the disk, and whose it is: every file is looked at once, every byte counted once."""

from __future__ import annotations

import os
import stat

from ..values import Value
from .disk import inodes, own_bytes, shares_extents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..paths import Paths

    Units = dict[frozenset[str], int]


class Share(Value):
    """Bytes on the disk. `unique` would come free with its owner, `shared` others need, too; `size` is both."""

    unique: int = 0
    shared: int = 0

    @property
    def size(self) -> int:
        return self.unique + self.shared


class Tree(Value):
    """A directory by itself: `shared` are bytes in extents that other files have, too, `own` all others."""

    own: int
    shared: int


def tree(path: str, *, extents: bool) -> Tree:
    """What is below one directory that shares no names with others."""
    own = total = 0
    seen: set[int] = set()
    for status, place in inodes(path):
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            if status.st_ino in seen:
                continue
            seen.add(status.st_ino)
        total += status.st_blocks * 512
        own += own_bytes(status, place, extents=extents)
    return Tree(own=own, shared=total - own)


def units(paths: Paths) -> Units:
    """Sets of parts ("layers/<hex>", "blobs/<hex>") -> the bytes that exactly these parts have in common.

    Extents that a file shares with another count for one that is nobody's, "": who else has them is not known.
    """
    found: Units = {}
    linked: dict[tuple[int, int], tuple[int, set[str]]] = {}
    extents = shares_extents(paths.root)
    # What stands for a blob counts as the blob.
    places = ("layers", paths.layers), ("blobs", paths.blobs), ("blobs", f"{paths.root}/derived")
    for kind, directory in places:
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
            part = f"{kind}/{name}"
            for status, place in inodes(f"{directory}/{name}"):
                if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                    linked.setdefault((status.st_dev, status.st_ino), (status.st_blocks * 512, set()))[1].add(part)
                    continue
                own = own_bytes(status, place, extents=extents)
                found[frozenset((part,))] = found.get(frozenset((part,)), 0) + own
                if own != status.st_blocks * 512:
                    both = frozenset((part, ""))
                    found[both] = found.get(both, 0) + status.st_blocks * 512 - own
    for size, parts in linked.values():
        found[frozenset(parts)] = found.get(frozenset(parts), 0) + size
    return found


def shares(found: Units, owners: Mapping[str, frozenset[str]]) -> tuple[dict[str, Share], dict[frozenset[str], int]]:
    """Owner -> its share, from the owners of each part; and the bytes by who has them all, the empty set for nobody's."""
    together: dict[frozenset[str], int] = {}
    for parts, size in found.items():
        who = frozenset().union(*(owners.get(part, frozenset()) for part in parts))
        if "" in parts:
            who |= {""}
        together[who] = together.get(who, 0) + size
    result: dict[str, Share] = {}
    for who, size in together.items():
        for owner in who - {""}:
            before = result.get(owner, Share())
            if len(who) == 1:
                result[owner] = before.replace(unique=before.unique + size)
            else:
                result[owner] = before.replace(shared=before.shared + size)
    return result, together
