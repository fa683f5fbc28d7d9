# SPDX-License-Identifier: GPL-3.0-or-later
"""What the names in a tar may say: decided purely, member by member, before anything is written anywhere.

The unpacker walks by directory descriptors as well; either defence holds alone.
"""

from __future__ import annotations

from ..errors import Refused
from .entries import CHARACTER, DIRECTORY, HARDLINK, OPAQUE, SYMLINK, WHITEOUT, Entry, show
from .limits import DEPTH, NAME, PATH, Limits

WHITEOUT_PREFIX = b".wh."
OPAQUE_NAME = b".wh..wh..opq"
_META_PREFIX = b".wh..wh."


def canonical(name: bytes) -> bytes:
    """The path below the layer's root: no leading `./`, no doubled or last slash. Refused: absolute, `..`, too long, too deep."""
    if name.startswith(b"/"):
        raise Refused(f"the member {show(name)} has an absolute path")
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise Refused(f"the member {show(name)} leads out of the image by ..")
    if len(parts) > DEPTH or len(name) > PATH or any(len(part) > NAME for part in parts):
        raise Refused(f"the member {show(name[:100])}... is too long or more than {DEPTH} directories deep")
    return b"/".join(parts)


class Census:
    """Knows every member so far. `admit` makes an entry's paths canonical and says whether it belongs to the tree."""

    def __init__(self, limits: Limits) -> None:
        self.newest = 0
        self._limits = limits
        self._kinds: dict[bytes, int] = {b"": DIRECTORY}
        self._count = 0

    def admit(self, entry: Entry) -> bool:
        """False for a member that stands for nothing (aufs's own files, an overlay whiteout in disguise). Refused: hostile."""
        self._count += 1
        if self._count > self._limits.entries:
            raise Refused(f"the image has more than {self._limits.entries} files: raise max_entries if it is meant to")
        entry.path = canonical(entry.path)
        self._admit_parents(entry.path)
        base = entry.path.rpartition(b"/")[2]
        if base.startswith(WHITEOUT_PREFIX):
            return self._turn_to_whiteout(entry, base)
        if entry.kind == CHARACTER and entry.rdev == (0, 0):
            return False
        if entry.kind == HARDLINK:
            self._admit_link(entry)
        self._admit_kind(entry)
        self.newest = max(self.newest, entry.mtime)
        return True

    def made(self, path: bytes) -> bool:
        """Whether this tree itself has something at `path`."""
        return path in self._kinds

    def is_directory(self, path: bytes) -> bool:
        """Whether this tree itself has a directory at `path`."""
        return self._kinds.get(path) == DIRECTORY

    def _admit_parents(self, path: bytes) -> None:
        parent = path.rpartition(b"/")[0]
        kind = self._kinds.get(parent)
        if kind == DIRECTORY:
            return
        if kind is not None:
            what = "the symlink" if kind == SYMLINK else "something that is no directory"
            raise Refused(f"the member {show(path)} passes through {what} {show(parent)}")
        self._admit_parents(parent)
        if parent.rpartition(b"/")[2].startswith(WHITEOUT_PREFIX):
            raise Refused(f"the member {show(path)} lies below a whiteout")
        self._kinds[parent] = DIRECTORY

    def _admit_kind(self, entry: Entry) -> None:
        before = self._kinds.get(entry.path)
        if before is not None and (before == DIRECTORY) != (entry.kind == DIRECTORY):
            raise Refused(f"the member {show(entry.path)} is a directory and something else at once")
        self._kinds[entry.path] = entry.kind

    def _admit_link(self, entry: Entry) -> None:
        entry.link = canonical(entry.link)
        kind = self._kinds.get(entry.link)
        if kind is None or kind == DIRECTORY or entry.link == entry.path:
            raise Refused(
                f"the hard link {show(entry.path)} points at {show(entry.link)}, which is no file before it in the tar"
            )

    def _turn_to_whiteout(self, entry: Entry, base: bytes) -> bool:
        parent = entry.path.rpartition(b"/")[0]
        if base == OPAQUE_NAME:
            entry.kind, entry.path = OPAQUE, parent
            return True
        if base.startswith(_META_PREFIX):
            return False
        hidden = base[len(WHITEOUT_PREFIX) :]
        if hidden in (b"", b".", b".."):
            raise Refused(f"the whiteout {show(entry.path)} hides nothing that can have a name")
        entry.kind, entry.path = WHITEOUT, (parent + b"/" if parent else b"") + hidden
        return True
