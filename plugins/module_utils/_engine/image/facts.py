# SPDX-License-Identifier: GPL-3.0-or-later
"""An image as users see it: in answers, in lists and in diffs."""

from __future__ import annotations

import os

from ..digests import chain, hex_of
from ..errors import EngineError
from ..storage import layout, marks, stored
from .resolve import read_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths
    from ..storage.layout import Descriptor


def describe(paths: Paths, descriptor: Descriptor) -> dict[str, Any]:
    """name ("" when it has none), digest, id, size, layers (chain ids, lowest first), config, created, added, labels.

    `size` is the bytes of all layers as tars, plus the config: the same number on every host.
    """
    manifest = read_document(paths, descriptor["digest"])
    ident = manifest["config"]["digest"]
    document = read_document(paths, ident)
    config = document.get("config") or {}
    return {
        "name": layout.name_of(descriptor) or "",
        "digest": descriptor["digest"],
        "id": ident,
        "size": sum(item["size"] for item in manifest["layers"]) + manifest["config"]["size"],
        "layers": list(chain(tuple(document["rootfs"]["diff_ids"]))),
        "config": config,
        "created": document.get("created") or "",
        "added": layout.annotations_of(descriptor).get(layout.ADDED, ""),
        "labels": config.get("Labels") or {},
    }


def state_of(name: str, digest: str, ident: str, document: dict[str, Any]) -> dict[str, Any]:
    """An image that is present, for a diff: all that its digest covers, and nothing that differs from host to host."""
    return {
        "name": name,
        "state": "present",
        "digest": digest,
        "id": ident,
        "created": document.get("created") or "",
        "config": document.get("config") or {},
        "diff_ids": document["rootfs"]["diff_ids"],
    }


def absent(name: str) -> dict[str, Any]:
    """An image that is not there, for a diff."""
    return {"name": name, "state": "absent"}


def state_before(paths: Paths, name: str, there: Descriptor | None) -> dict[str, Any]:
    """What the index has under that name now, for a diff; an image that lacks a part is neither present nor absent."""
    if there is None:
        return absent(name)
    if not is_intact(paths, there):
        return {"name": name, "state": "damaged", "digest": there["digest"]}
    ident = read_document(paths, there["digest"])["config"]["digest"]
    return state_of(name, there["digest"], ident, read_document(paths, ident))


def is_intact(paths: Paths, descriptor: Descriptor) -> bool:
    """Whether every part of the image is in its place, its documents are what they were, and no check has found damage in it."""
    try:
        manifest = read_document(paths, descriptor["digest"])
        document = read_document(paths, manifest["config"]["digest"])
        blobs = [item["digest"] for item in manifest["layers"]]
        chains = chain(tuple(document["rootfs"]["diff_ids"]))
        marked = marks.read(paths)
        return all(digest not in marked.blobs and stored.has(paths, digest) for digest in blobs) and all(
            item not in marked.layers and os.path.isdir(f"{paths.layers}/{hex_of(item)}/diff") for item in chains
        )
    except (EngineError, KeyError, TypeError):
        return False
