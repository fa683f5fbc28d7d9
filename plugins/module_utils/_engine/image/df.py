# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb system_df: what images, containers and leftovers take on the disk, what they share, and what could come free."""

from __future__ import annotations

import os

from ..answer import Answer
from ..digests import chain, hex_of
from ..errors import EngineError
from ..records import read_record
from ..runtime.state import observe
from ..storage import collect, layout, usage
from ..storage.disk import shares_extents
from ..storage.usage import Share
from .resolve import read_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths


def system_df(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """Bytes are blocks on the disk, counted once each. `images`, `containers` and `layers` are lists, `totals` sums them up.

    Of an image or layer, `unique` is what would come free with it and `shared` what others need, too. Looks at every file once.
    """
    del params, check
    with layout.reading(paths):
        descriptors = layout.read_index(paths)
        users = collect.used_by_containers(paths)
        owners = _owners(paths, {item["digest"] for item in descriptors})
        found = usage.units(paths)
    images, together = usage.shares(found, owners)
    layers, _unused = usage.shares(
        found, {part: frozenset((part,)) for part in _parts(found) if part.startswith("layers/")}
    )
    containers = _containers(paths, images)
    leftover = together.get(frozenset(), 0)
    free = sum(size for who, size in together.items() if who and not who & set(users) and "" not in who)
    result = {
        "images": [
            {
                "name": layout.name_of(item) or "",
                "digest": item["digest"],
                **_share(images.get(item["digest"], Share())),
                "containers": sorted(users.get(item["digest"], [])),
            }
            for item in descriptors
        ],
        "layers": [
            {"chain": f"sha256:{part[7:]}", **_share(share), "images": len(owners.get(part, ()))}
            for part, share in sorted(layers.items())
        ],
        "containers": containers,
        "totals": {
            "images": {"count": len(images), "size": sum(together.values()) - leftover, "reclaimable": free},
            "containers": {
                "count": len(containers),
                "size": sum(item["size"] for item in containers),
                "reclaimable": sum(item["unique"] for item in containers if item["status"] != "running"),
            },
            "leftover": {"size": leftover, "reclaimable": leftover},
            "staging": _directory(paths, paths.staging),
            "damaged": _directory(paths, f"{paths.root}/damaged"),
        },
    }
    return Answer(result=result)


def _share(share: Share) -> dict[str, int]:
    return {"size": share.size, "shared": share.shared, "unique": share.unique}


def _parts(found: usage.Units) -> set[str]:
    return {part for parts in found for part in parts}


def _owners(paths: Paths, digests: set[str]) -> dict[str, frozenset[str]]:
    """Part of the store -> the images that have it; of an image that can't be read only what is known."""
    owners: dict[str, set[str]] = {}
    for digest in digests:
        parts = [f"blobs/{hex_of(digest)}"]
        try:
            manifest = read_document(paths, digest)
            parts.append(f"blobs/{hex_of(manifest['config']['digest'])}")
            parts += [f"blobs/{hex_of(item['digest'])}" for item in manifest["layers"]]
            diff_ids = tuple(read_document(paths, manifest["config"]["digest"])["rootfs"]["diff_ids"])
            parts += [f"layers/{hex_of(item)}" for item in chain(diff_ids)]
        except (EngineError, KeyError, TypeError):
            pass  # system check says what is wrong with it
        for part in parts:
            owners.setdefault(part, set()).add(digest)
    return {part: frozenset(who) for part, who in owners.items()}


def _containers(paths: Paths, images: dict[str, Share]) -> list[dict[str, Any]]:
    extents, found = shares_extents(paths.root), []
    for ident in sorted(os.listdir(paths.containers)):
        home = paths.container(ident)
        try:
            record = read_record(f"{home}/record.json")
        except EngineError:
            record = {}
        upper, whole = usage.tree(f"{home}/upper", extents=extents), usage.tree(home, extents=extents)
        found.append({
            "id": ident,
            "name": str((record.get("spec") or {}).get("name", "")),
            "image_digest": str(record.get("image_digest", "")),
            "status": observe(home, paths.container_run(ident)).status,
            "size": whole.own + whole.shared,
            "upper": upper.own + upper.shared,
            "shared": whole.shared,
            "unique": whole.own,
            "image_size": images.get(str(record.get("image_digest")), Share()).size,
        })  # fmt: skip
    return found


def _directory(paths: Paths, path: str) -> dict[str, int]:
    try:
        count = len(os.listdir(path))
    except FileNotFoundError:
        return {"count": 0, "size": 0}
    if not count:
        return {"count": 0, "size": 0}
    found = usage.tree(path, extents=shares_extents(paths.root))
    return {"count": count, "size": found.own + found.shared}
