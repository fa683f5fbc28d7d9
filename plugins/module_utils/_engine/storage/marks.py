# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check found damaged, remembered until it is whole again: nothing is served from it meanwhile."""

from __future__ import annotations

import os

from ..errors import Damaged, NotFound
from ..records import read_record, sync_directory, write_record
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..paths import Paths


class Marks(Value):
    """Chain id of a layer, or digest of a layer's blob -> a sentence about what is wrong with it."""

    layers: dict[str, str] = {}
    blobs: dict[str, str] = {}


NONE = Marks()


def path_of(paths: Paths) -> str:
    """The record; there is none while nothing is known to be damaged."""
    return f"{paths.root}/damage.json"


def read(paths: Paths) -> Marks:
    """Costs one look for a file that is not there. Damaged when the record itself is."""
    try:
        fields = read_record(path_of(paths))
        return Marks(layers=dict(fields["layers"]), blobs=dict(fields["blobs"]))
    except NotFound:
        return NONE
    except (Damaged, KeyError, TypeError, ValueError):
        raise Damaged(
            f"what is damaged in the store was noted in {path_of(paths)}, which is damaged itself: run berth system check"
        ) from None


def write(paths: Paths, marks: Marks) -> None:
    """Replace what is remembered, durably. The caller holds `layout.changing`."""
    if marks.layers or marks.blobs:
        write_record(path_of(paths), {"layers": marks.layers, "blobs": marks.blobs})
        return
    try:
        os.unlink(path_of(paths))
    except FileNotFoundError:
        return
    sync_directory(paths.root)


def clear(paths: Paths, layers: Iterable[str], blobs: Iterable[str]) -> None:
    """These were made anew just now. The caller holds `layout.changing`, and has them in place already."""
    before = read(paths)
    if before == NONE:
        return
    gone, away = set(layers), set(blobs)
    after = Marks(
        layers={name: what for name, what in before.layers.items() if name not in gone},
        blobs={name: what for name, what in before.blobs.items() if name not in away},
    )
    if after != before:
        write(paths, after)
