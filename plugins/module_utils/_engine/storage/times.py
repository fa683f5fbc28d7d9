# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of directories that sharing changes on its way: noted on the disk before, given back after, by whoever comes next if need be."""

from __future__ import annotations

import os

from .. import jsontext
from ..errors import KernelError
from ..kernel.files import open_beneath
from ..records import write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..paths import Paths
    from .staging import Staging

_NOTE = "times"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY


def note(place: Staging, tree: str, times: dict[bytes, int]) -> None:
    """Write down the times (ns) of directories below `tree` before anything in them is replaced. Durable."""
    fields = {"tree": tree, "times": {os.fsdecode(path): when for path, when in times.items()}}
    write_file(f"{place.path}/{_NOTE}", jsontext.dumps(fields).encode())


def give_back(place: Staging) -> None:
    """Set the noted times again and forget the note."""
    path = f"{place.path}/{_NOTE}"
    _apply(path)
    os.unlink(path)


def mend(paths: Paths) -> None:
    """Set the times that commands which died had noted. The caller holds `layout.changing`. Idempotent."""
    for name in os.listdir(paths.staging):
        if name.startswith("dedupe-"):
            _apply(f"{paths.staging}/{name}/{_NOTE}")


def _apply(note_path: str) -> None:
    try:
        with open(note_path, "rb") as file:
            fields = jsontext.loads(file.read())
        root = os.open(fields["tree"], _DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        for path, when in fields["times"].items():
            _set(root, os.fsencode(path), when)
    finally:
        os.close(root)


def _set(root: int, path: bytes, when: int) -> None:
    try:
        descriptor = open_beneath(root, path, _DIRECTORY)
    except KernelError:
        return  # it went meanwhile, and its time with it
    try:
        os.utime(descriptor, ns=(when, when))
    finally:
        os.close(descriptor)
