# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth diff`: what a container changed in its root, read from its overlay without following a link."""

from __future__ import annotations

import os

from ...container import record as records
from ...container.commit import made_by_engine
from ...errors import from_os
from ...image.config import read_created
from ...image.resolve import resolve
from ...storage.entries import OPAQUE, WHITEOUT
from ...storage.upper import Changes
from .. import say
from ..below import Below
from ..options import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...image.resolve import Image
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "diff", "CONTAINER", "Print what a container added (A), changed (C) and deleted (D) in its root.", least=1, most=1
)


def run(paths: Paths, given: Given) -> int:
    record = records.find(paths, given.operands[0])
    home, image = paths.container(record.id), resolve(paths, record.image_digest)
    try:
        upper = os.open(f"{home}/upper", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            for kind, path in sorted(_changes(upper, image, made_by_engine(home)), key=lambda change: change[1]):
                say.line(f"{kind} /{os.fsdecode(path)}")
        finally:
            os.close(upper)
    except OSError as error:
        raise from_os(error, f"read what container {record.name} changed") from error
    return 0


def _changes(upper: int, image: Image, ignore: tuple[bytes, ...]) -> Iterator[tuple[str, bytes]]:
    below = Below(image.layers)
    for entry in Changes(upper, lowers=image.layers, ignore=ignore, newest=read_created(image.created)):
        entry.discard()
        if not entry.path:
            continue
        if entry.kind == WHITEOUT:
            yield "D", entry.path
        elif entry.kind == OPAQUE:
            for name in below.names(entry.path):
                path = entry.path + b"/" + name
                if not _is_in(upper, path):
                    yield "D", path
        else:
            yield "C" if below.has(entry.path) else "A", entry.path


def _is_in(upper: int, path: bytes) -> bool:
    """Every directory on the way is one in the upper tree, or the walk had not come here."""
    try:
        os.stat(path, dir_fd=upper, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
