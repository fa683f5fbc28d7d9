# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image's layers show together, as overlayfs would, asked name by name so that no link is ever followed."""

from __future__ import annotations

import os
import stat

from ..storage.upper import is_opaque


class Below:
    """`layers` are directories, topmost first. Paths are relative bytes without `.` and `..`."""

    __slots__ = ("_merged",)

    def __init__(self, layers: tuple[str, ...]) -> None:
        self._merged: dict[bytes, list[bytes]] = {b"": [os.fsencode(path) for path in layers]}

    def has(self, path: bytes) -> bool:
        """Whether there is something of that name."""
        return self._look(path)[0]

    def names(self, path: bytes) -> set[bytes]:
        """The names in a directory; none when it is no directory."""
        found = {os.fsencode(name) for place in self._directories(path) for name in os.listdir(place)}
        return {name for name in found if self.has(path + b"/" + name)}

    def _directories(self, path: bytes) -> list[bytes]:
        """The layers' directories that merge there."""
        if path not in self._merged:
            self._merged[path] = self._look(path)[1]
        return self._merged[path]

    def _look(self, path: bytes) -> tuple[bool, list[bytes]]:
        above, _unused, name = path.rpartition(b"/")
        found, merged = False, []
        for place in self._directories(above):
            here = place + b"/" + name
            try:
                status = os.lstat(here)
            except FileNotFoundError:
                continue
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                break
            found = True
            if not stat.S_ISDIR(status.st_mode):
                break
            merged.append(here)
            if is_opaque(here):
                break
        return found, merged
