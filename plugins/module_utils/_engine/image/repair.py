# SPDX-License-Identifier: GPL-3.0-or-later
"""What is damaged is made again from what is whole, or set aside, so that no container starts from it."""

from __future__ import annotations

import os

from ..digests import chain
from ..errors import EngineError, StorageFull, from_os
from ..mediatypes import DOCUMENT
from ..records import read_record, sync_directory
from ..storage import layers, layout, marks, oci, stored
from ..storage.aside import set_aside as _set_aside
from ..storage.blobs import read
from ..storage.limits import UNBOUNDED
from ..storage.staging import Staging
from ..storage.stream import unpacked
from .check import BLOB, IMAGE, INDEX, LAYER, LAYOUT, RECORD, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..paths import Paths
    from ..storage.layout import Descriptor
    from .check import Problem

    Described = list[dict[str, Any]]

_ORDER = (LAYOUT, BLOB, INDEX, IMAGE, LAYER, RECORD)


def repair(paths: Paths, problems: Iterable[Problem]) -> tuple[Described, Described]:
    """What was repaired and what was set aside, each with `remedy`: what was done, or what brings it back. Idempotent."""
    repaired: Described = []
    aside: Described = []
    # Blobs first, then layers from the lowest up: each needs what is below it.
    for problem in sorted(problems, key=lambda item: (_ORDER.index(item.kind), len(item.lowers))):
        try:
            done, remedy = _mend(paths, problem)
        except OSError as error:
            raise from_os(error, f"repair {problem.kind} {problem.name}") from error
        (repaired if done else aside).append({**problem.describe(), "remedy": remedy})
    return repaired, aside


def _mend(paths: Paths, problem: Problem) -> tuple[bool, str]:
    if problem.kind == LAYOUT:
        with layout.changing(paths):
            _set_aside(paths, problem.path)
            layout.write_index(paths, layout.read_index(paths, sealed=False))
        return True, "it was written again"
    if problem.kind == INDEX:
        return _mend_index(paths, problem)
    if problem.kind == LAYER and problem.blob and _unpack_again(paths, problem):
        return True, f"it was unpacked again from blob {problem.blob}"
    if problem.kind == RECORD:
        return False, "remove the container with berth rm --force, and make it again"
    with layout.changing(paths):
        _set_aside(paths, problem.path)
    if not problem.images:
        return True, "nothing needs it: it was set aside"
    return False, f"pull or make again: {', '.join(problem.images[:5])}"


def _unpack_again(paths: Paths, problem: Problem) -> bool:
    trees = tuple(f"{layers.directory(paths, item)}/diff" for item in problem.lowers)
    if not all(os.path.isdir(tree) for tree in trees):
        return False
    with Staging(paths, "repair") as place:
        try:
            with stored.open_blob(paths, problem.blob) as blob:
                blocks = unpacked(blob.blocks(), blob.size, UNBOUNDED, problem.name)
                made = layers.from_blocks(blocks, problem.name, UNBOUNDED, staging=place, lowers=trees)
        except StorageFull:
            raise
        except EngineError:
            return False
        _sync(place)
        with layout.changing(paths):
            # Containers that run keep the trees they have mounted.
            _set_aside(paths, problem.path)
            os.rename(f"{made.home}/layer", problem.path)
            sync_directory(paths.layers)
            marks.clear(paths, [problem.name], [])
    return True


def _sync(place: Staging) -> None:
    from ..kernel.files import syncfs

    syncfs(place.fd)


def _mend_index(paths: Paths, problem: Problem) -> tuple[bool, str]:
    with layout.changing(paths):
        try:
            descriptors = layout.read_index(paths, sealed=False)
            there = os.path.exists(problem.path)
        except EngineError:
            there = False
        if there:
            corrected = (_corrected(paths, item) for item in descriptors)
            layout.write_index(paths, [item for item in corrected if item])
            return (
                True,
                "what its documents say was written into it again; see by berth images that the names are right",
            )
        _set_aside(paths, problem.path)
        layout.write_index(paths, list(_rebuilt(paths)))
    return True, "it was made again from the manifests; images that no container uses have lost their names: tag them"


def _corrected(paths: Paths, item: Descriptor) -> Descriptor | None:
    """The descriptor as the documents want it; None for one that points at nothing that could be an image."""
    found = _describe(paths, item["digest"])
    if found is None:
        # An image of which a part is set aside stays in the list, so that it can be pulled again by its name.
        return item if len(item["digest"]) == 71 else None
    annotations = {**layout.annotations_of(item), **found["annotations"]}
    if not found["annotations"]:
        annotations.pop(layout.CHAINS, None)
    return {**item, **found, "annotations": annotations}


def _describe(paths: Paths, digest: str) -> Descriptor | None:
    try:
        if not whole(paths, digest):
            return None
        data = read(paths, digest)
        manifest = oci.read_manifest(data, "", digest)
        if not isinstance(manifest, oci.Manifest) or not whole(paths, manifest.config.digest):
            return None
        diff_ids = oci.read_config(read(paths, manifest.config.digest), digest).diff_ids
    except EngineError:
        return None
    annotations = {layout.CHAINS: " ".join(chain(diff_ids))} if len(diff_ids) > 1 else {}
    return {"mediaType": manifest.media_type, "digest": digest, "size": len(data), "annotations": annotations}


def _rebuilt(paths: Paths) -> Iterable[Descriptor]:
    """A descriptor for every manifest among the blobs; those of containers get the name that the container was made from."""
    names = _names_in_records(paths)
    for name in sorted(os.listdir(paths.blobs)):
        path = f"{paths.blobs}/{name}"
        if os.path.getsize(path) > DOCUMENT:
            continue
        found = _describe(paths, f"sha256:{name}")
        if found is not None:
            for image in names.get(found["digest"], [""]):
                named = {layout.NAME: image} if image else {}
                yield {**found, "annotations": {**found["annotations"], **named}}


def _names_in_records(paths: Paths) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    taken: set[str] = set()
    for ident in sorted(os.listdir(paths.containers)):
        try:
            record = read_record(f"{paths.container(ident)}/record.json")
        except EngineError:
            continue
        image, digest = record.get("image"), record.get("image_digest")
        if isinstance(image, str) and image and isinstance(digest, str) and image not in taken:
            taken.add(image)
            names.setdefault(digest, []).append(image)
    return {digest: found or [""] for digest, found in names.items()}
