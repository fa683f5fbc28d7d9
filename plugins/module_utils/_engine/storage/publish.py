# SPDX-License-Identifier: GPL-3.0-or-later
"""From staging into the store: first everything is on the disk, then it is renamed into place, and the index comes last."""

from __future__ import annotations

import os

from ..digests import hex_of, sha256
from ..kernel.files import syncfs
from ..records import sync_directory
from . import aside, derived, layers, marks
from .blobs import path_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..paths import Paths
    from .layers import Layer
    from .staging import Staging


def seal(place: Staging, documents: tuple[bytes, ...]) -> None:
    """Write the small blobs beside the layer and get all of it onto the disk, by one syncfs. Needs no lock."""
    for data in documents:
        with open(f"{place.path}/{hex_of(sha256(data))}", "wb") as file:
            file.write(data)
    syncfs(place.fd)


def move_in(paths: Paths, place: Staging, arrived: tuple[tuple[Layer, str], ...], documents: tuple[bytes, ...]) -> None:
    """Rename what was sealed into blobs/ and layers/, each layer under its chain id. Blobs replace those that are there: these were
    verified just now. A tree that is there stays, because containers may have it mounted, unless it is known to be damaged.

    A layer without a blob in staging is one whose blob the store has. The caller holds `layout.changing`.
    """
    marked = marks.read(paths)
    for digest in (sha256(data) for data in documents):
        os.rename(f"{place.path}/{hex_of(digest)}", path_of(paths, digest))
    for layer, chain in arrived:
        tree = layers.directory(paths, chain)
        if os.path.lexists(f"{layer.home}/blob"):
            os.rename(f"{layer.home}/blob", path_of(paths, layer.digest))
            derived.forget(paths, layer.digest)
        if os.path.lexists(tree) and (chain in marked.layers or not os.path.isdir(f"{tree}/diff")):
            aside.set_aside(paths, tree)
        if not os.path.lexists(tree):
            os.rename(f"{layer.home}/layer", tree)
    sync_directory(paths.blobs)
    sync_directory(paths.layers)
    fresh = [layer.digest for layer, _chain in arrived] + [sha256(data) for data in documents]
    marks.clear(paths, [chain for _layer, chain in arrived], fresh)
