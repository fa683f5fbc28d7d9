# SPDX-License-Identifier: GPL-3.0-or-later
"""What nothing refers to goes: found by marking from the index and from containers' records, never by a stored count."""

from __future__ import annotations

import os

from ..digests import chain, hex_of
from ..errors import Damaged, EngineError, NotFound
from ..records import read_record
from . import blobs, derived, documents, layout
from .staging import Staging, has_dead, remove_dead
from .times import mend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..paths import Paths
    from .layout import Descriptor


def recover(paths: Paths) -> None:
    """Clean up after commands that died: their staging, and what they had moved into the store without naming it.

    Costs one listdir when nobody died. Takes `layout.changing` otherwise. Whoever changes the store has something in staging
    meanwhile; it goes last, so that a recovery that dies too is made up for as well.
    """
    if has_dead(paths):
        with layout.changing(paths):
            mend(paths)
            collect(paths)
        remove_dead(paths)


def used_by_containers(paths: Paths) -> dict[str, list[str]]:
    """Manifest digest -> names or ids of the containers made from it."""
    users: dict[str, list[str]] = {}
    try:
        idents = sorted(os.listdir(paths.containers))
    except FileNotFoundError:
        return users
    for ident in idents:
        try:
            record = read_record(f"{paths.container(ident)}/record.json")
        except NotFound:
            continue
        digest = record.get("image_digest")
        if isinstance(digest, str):
            spec = record.get("spec")
            users.setdefault(digest, []).append(str(spec["name"]) if isinstance(spec, dict) else ident)
    return users


def without_unused(paths: Paths, descriptors: list[Descriptor]) -> list[Descriptor]:
    """The descriptors less those that have no name and no container: they have no further use."""
    users = used_by_containers(paths)
    named = {item["digest"] for item in descriptors if layout.name_of(item)}
    kept: dict[tuple[str, str], Descriptor] = {}
    for item in descriptors:
        name, digest = layout.name_of(item), item["digest"]
        if name or (digest in users and digest not in named):
            kept[(name or "", digest)] = item
    return list(kept.values())


def collect(paths: Paths) -> int:
    """Remove blobs and layers that no image in the index has; return how many. The caller holds `layout.changing`.

    Gives up without removing anything when an image can't be read: then it is not known what it needs.
    """
    with Staging(paths, "collected") as place:
        try:
            descriptors = layout.read_index(paths)
            remaining = without_unused(paths, descriptors)
            going = unmarked(paths, remaining)
        except EngineError:
            return 0
        if len(remaining) != len(descriptors):
            layout.write_index(paths, remaining)
        move_out(going, place)
        _remove_scratch(paths, place)
        return len(going)


def unmarked(paths: Paths, descriptors: list[Descriptor]) -> list[str]:
    """The paths of the blobs and layers that none of these images has. An EngineError when one of them can't be read."""
    blob_names, layer_names = _marked(paths, descriptors)
    # The tree that a blob comes from may belong to an image that goes, while another has the same blob on another base.
    layer_names |= derived.trees(paths, blob_names)
    return [
        *(f"{paths.layers}/{name}" for name in sorted(os.listdir(paths.layers)) if name not in layer_names),
        *(f"{paths.blobs}/{name}" for name in sorted(os.listdir(paths.blobs)) if name not in blob_names),
        *(f"{paths.root}/derived/{name}" for name in derived.names(paths) if name not in blob_names),
    ]


def move_out(going: list[str], place: Staging) -> None:
    """Take blobs and layers out of the store, into staging, which is deleted. The caller holds `layout.changing`."""
    for number, path in enumerate(going):
        os.rename(path, f"{place.path}/{os.path.basename(path)}-{number}")


def _marked(paths: Paths, descriptors: list[Descriptor]) -> tuple[set[str], set[str]]:
    blob_names, layer_names = set(), set()
    for digest in {item["digest"] for item in descriptors}:
        manifest = documents.unpack(blobs.read(paths, digest), f"manifest {digest}")
        try:
            config_digest = manifest["config"]["digest"]
            config = documents.unpack(blobs.read(paths, config_digest), f"config {config_digest}")
            own = {hex_of(digest), hex_of(config_digest), *(hex_of(item["digest"]) for item in manifest["layers"])}
            trees = {hex_of(item) for item in chain(tuple(config["rootfs"]["diff_ids"]))}
        except (KeyError, TypeError):
            raise Damaged(f"image {digest} has a manifest or config that is none: make the image again") from None
        blob_names |= own
        layer_names |= trees
    return blob_names, layer_names


def _remove_scratch(paths: Paths, place: Staging) -> None:
    """Temporary files of an index writer that died: with the lock held, nobody is writing one."""
    for name in os.listdir(paths.root):
        if name.startswith(("index.json.", "oci-layout.", "damage.json.")) and name.endswith(".tmp"):
            os.rename(f"{paths.root}/{name}", f"{place.path}/{name}")
