# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb container_image_info: what images are on this host."""

from __future__ import annotations

from .. import mediatypes
from ..answer import Answer
from ..errors import Damaged, InvalidSpec
from ..storage import layout
from ..storage.blobs import read
from .facts import describe
from .resolve import find, read_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths
    from ..storage.layout import Descriptor


def container_image_info(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """`name`: one name or a list, None for all. The result's `images` lacks the names that are not there.

    Damaged when one that is asked for by name can't be read; in the list of all it is left out, with a warning.
    With `documents` each has its media_type, manifest and config as they are stored, as texts.
    """
    names = params.get("name")
    if isinstance(names, str):
        names = [names]
    if names is not None and not (isinstance(names, list) and all(isinstance(item, str) for item in names)):
        raise InvalidSpec(f"name: {names!a} is no list of image names")
    with layout.reading(paths):
        descriptors = layout.read_index(paths)
        if names is not None:
            found = [find(paths, descriptors, name) for name in names]
            descriptors = [item for at, item in enumerate(found) if item is not None and item not in found[:at]]
        more = _documents if params.get("documents") else _nothing
        images: list[dict[str, Any]] = []
        warnings = []
        for item in descriptors:
            try:
                images.append({**describe(paths, item), **more(paths, item)})
            except Damaged as error:
                if names is not None:
                    raise
                warnings.append(f"image {layout.name_of(item) or item['digest']} is damaged: {error}")
        return Answer(result={"images": images}, warnings=tuple(warnings))


def _nothing(paths: Paths, item: Descriptor) -> dict[str, Any]:
    del paths, item
    return {}


def _documents(paths: Paths, item: Descriptor) -> dict[str, Any]:
    config = read_document(paths, item["digest"])["config"]["digest"]
    texts = {"manifest": read(paths, item["digest"]).decode(), "config": read(paths, config).decode()}
    return {"documents": {"media_type": item.get("mediaType") or mediatypes.MANIFEST, **texts}}
