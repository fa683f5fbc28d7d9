# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving a name to an image that was made in staging: the one place where the index gains a line."""

from __future__ import annotations

import os
import time

from .. import jsontext, mediatypes
from ..digests import chain
from ..errors import Conflict
from ..storage import collect, layers, layout, publish, stored
from ..storage.staging import Staging
from ..values import Value
from .naming import without_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths
    from ..storage.layers import Layer
    from ..storage.layout import Descriptor
    from .config import Documents


class Addition(Value):
    """An image to be named `name`. `layer` is its new topmost layer in staging, `arrived` are new layers with their chain ids;
    the store has the others. `media_type` is the manifest's. `source` is what to remember of where it came from, in
    JSON values."""

    name: str
    documents: Documents
    layer: Layer | None
    source: dict[str, Any]
    arrived: tuple[tuple[Layer, str], ...] = ()
    media_type: str = mediatypes.MANIFEST


def add(paths: Paths, place: Staging | None, addition: Addition) -> Descriptor:
    """Publish and name it; the image that had the name before stays only while containers use it. Returns its descriptor."""
    if place:
        return _publish(paths, place, addition)
    with Staging(paths, "image") as made:
        return _publish(paths, made, addition)


def _publish(paths: Paths, here: Staging, addition: Addition) -> Descriptor:
    small = (addition.documents.manifest, addition.documents.config)
    publish.seal(here, small)
    with layout.changing(paths):
        chains = chain(addition.documents.diff_ids)
        arrived = addition.arrived or (((addition.layer, chains[-1]),) if addition.layer else ())
        _check_lower(paths, addition, chains, arrived)
        publish.move_in(paths, here, arrived, small)
        return _name(paths, addition)


def _check_lower(
    paths: Paths, addition: Addition, chains: tuple[str, ...], arrived: tuple[tuple[Layer, str], ...]
) -> None:
    """Whoever removed an image since this one was planned may have taken layers that both have."""
    trees = {one for _unused, one in arrived}
    blobs = {layer.digest for layer, _unused in arrived if os.path.exists(f"{layer.home}/blob")}
    for digest, one in zip(addition.documents.layers, chains):
        is_whole = digest in blobs or stored.has(paths, digest)
        if not (is_whole and (one in trees or os.path.isdir(layers.directory(paths, one)))):
            raise Conflict(f"a layer of {addition.name} was removed meanwhile with another image: try again")


def remember(paths: Paths, name: str, digest: str, source: dict[str, Any]) -> None:
    """Note where the image came from, when the same image was found to come from elsewhere."""
    with layout.changing(paths):
        descriptors = layout.read_index(paths)
        for item in descriptors:
            if layout.name_of(item) == name and item["digest"] == digest:
                item["annotations"] = {**layout.annotations_of(item), layout.SOURCE: jsontext.dumps(source)}
        layout.write_index(paths, descriptors)


def _name(paths: Paths, addition: Addition) -> Descriptor:
    descriptors = layout.read_index(paths)
    before = [item for item in descriptors if layout.name_of(item) == addition.name]
    others = [item for item in descriptors if item not in before]
    fresh = _descriptor(addition)
    demoted = [without_name(item) for item in before if item["digest"] != fresh["digest"]]
    layout.write_index(paths, collect.without_unused(paths, [*others, *demoted, fresh]))
    if demoted:
        collect.collect(paths)
    return fresh


def _descriptor(addition: Addition) -> Descriptor:
    diff_ids = addition.documents.diff_ids
    annotations = {
        layout.NAME: addition.name,
        layout.ADDED: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        layout.SOURCE: jsontext.dumps(addition.source),
    }
    if len(diff_ids) > 1:
        annotations[layout.CHAINS] = " ".join(chain(diff_ids))
    return {
        "mediaType": addition.media_type,
        "digest": addition.documents.digest,
        "size": len(addition.documents.manifest),
        "annotations": annotations,
    }
