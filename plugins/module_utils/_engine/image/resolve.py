# SPDX-License-Identifier: GPL-3.0-or-later
"""From a name to everything a start needs to know of an image: three small files are read and verified, nothing is changed."""

from __future__ import annotations

import os

from .. import jsontext
from ..digests import hex_of, is_digest, sha256
from ..errors import Damaged, EngineError, NotFound
from ..mediatypes import DOCUMENT
from ..storage import layout, marks
from ..values import Value
from .reference import Reference, parse, parse_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths
    from ..storage.layout import Descriptor


class Image(Value):
    """`name` is the normalised reference, "" when the image has none; `digest` the manifest's, `id` the config's.

    `layers` are the trees' absolute paths, topmost first, ready for overlay's lowerdir. `config` is the OCI config's own
    `config` object (Env, Entrypoint, Cmd, User, WorkingDir, Labels, ExposedPorts, StopSignal, Volumes). `created` is RFC 3339,
    `architecture` in OCI's words.
    """

    name: str
    digest: str
    id: str
    layers: tuple[str, ...]
    config: dict[str, Any]
    created: str
    architecture: str = ""


def resolve(paths: Paths, reference: str) -> Image:
    """The image called `reference`: name, name:tag, name@sha256:.., sha256:.. or at least 12 digits of its id.

    InvalidSpec: malformed. NotFound: says how to get it. Hold `layout.reading` when it must still be there a moment later.
    """
    descriptor = find(paths, layout.read_index(paths), reference)
    if descriptor is None:
        raise missing(reference)
    return load(paths, descriptor)


def missing(reference: str) -> NotFound:
    """The sentence for an image that is not there."""
    return NotFound(
        f"image {reference!a} is not on this host: get it with berth pull or container_image, or make it (rootfs: or bootstrap: busybox)"
    )


def find(paths: Paths, descriptors: list[Descriptor], reference: str) -> Descriptor | None:
    """The descriptor that `reference` means. A name wins over an id that looks the same."""
    digits = parse_id(reference)
    if not digits or (len(digits) < 64 and not reference.startswith("sha256:")):
        wanted = parse(reference)
        called = [item for item in descriptors if _is_called(item, wanted)]
        if called:
            return next((item for item in called if layout.name_of(item) == wanted.name), called[0])
    return _find_by_id(paths, descriptors, digits) if digits else None


def _is_called(descriptor: Descriptor, wanted: Reference) -> bool:
    name = layout.name_of(descriptor)
    if not wanted.digest:
        return name == wanted.name
    repository = name.partition("@")[0] if name and "@" in name else (name or "").rpartition(":")[0]
    if name is not None and repository != wanted.repository:
        return False
    return wanted.digest in (descriptor["digest"], _digest_there(descriptor))


def _digest_there(descriptor: Descriptor) -> str:
    """The digest by which a registry had the image: that of an index, where it was chosen from one; "" when none is known."""
    text = layout.annotations_of(descriptor).get(layout.SOURCE)
    try:
        source = jsontext.loads(text) if isinstance(text, str) else {}
    except (ValueError, RecursionError):
        return ""
    return str(source.get("digest") or "") if isinstance(source, dict) else ""


def _find_by_id(paths: Paths, descriptors: list[Descriptor], digits: str) -> Descriptor | None:
    found: dict[str, Descriptor] = {}
    for item in descriptors:
        if item["digest"][7:].startswith(digits) or _id_of(paths, item)[7:].startswith(digits):
            found.setdefault(item["digest"], item)
    if len(found) > 1:
        raise NotFound(f"{len(found)} images have an id that begins with {digits}: give more of it")
    return next(iter(found.values()), None)


def _id_of(paths: Paths, descriptor: Descriptor) -> str:
    """An image that is damaged has none, and is no reason not to find another."""
    try:
        return str(read_document(paths, descriptor["digest"])["config"]["digest"])
    except (EngineError, KeyError, TypeError):
        return ""


def load(paths: Paths, descriptor: Descriptor) -> Image:
    """The image that a descriptor of the index stands for. Damaged when the store lacks a part of it, or knows one to be damaged."""
    digest = descriptor["digest"]
    manifest = read_document(paths, digest)
    try:
        ident = manifest["config"]["digest"]
        document = read_document(paths, ident)
        diff_ids = tuple(document["rootfs"]["diff_ids"])
        return Image(
            name=layout.name_of(descriptor) or "",
            digest=digest,
            id=ident,
            layers=_stack(paths, layout.name_of(descriptor) or digest, chains_of(descriptor, diff_ids)),
            config=document.get("config") or {},
            created=document.get("created") or "",
            architecture=str(document.get("architecture") or ""),
        )
    except (KeyError, TypeError):
        raise Damaged(f"image {digest} has a manifest or config that is none: make the image again") from None


def chains_of(descriptor: Descriptor, diff_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Chain ids, lowest layer first: one layer's is its diff id, more were noted when the image was added, else computed."""
    if len(diff_ids) < 2:
        return diff_ids
    noted = layout.annotations_of(descriptor).get(layout.CHAINS)
    ids = tuple(noted.split()) if isinstance(noted, str) else ()
    if len(ids) == len(diff_ids) and all(map(is_digest, ids)):
        return ids
    from ..digests import chain

    return chain(diff_ids)


def _stack(paths: Paths, name: str, chains: tuple[str, ...]) -> tuple[str, ...]:
    marked, stack = marks.read(paths).layers, []
    remedy = f"run berth system check --repair, or get it again with berth pull {name}"
    for chain in marked and chains:
        if chain in marked:
            raise Damaged(f"image {name}: layer {chain} is damaged ({marked[chain]}): {remedy}")
    for chain in reversed(chains):
        home = f"{paths.layers}/{hex_of(chain)}"
        try:
            parts = os.listdir(home)
        except FileNotFoundError:
            parts = []
        if "diff" not in parts:
            raise Damaged(f"image {name}: the store lacks layer {chain}: {remedy}")
        stack.append(f"{home}/diff")
        if "opaque" in parts:
            break
    return tuple(stack)


def read_document(paths: Paths, digest: str) -> dict[str, Any]:
    """A manifest or config that was checked when it was added. Damaged when it is missing or not what its digest says."""
    try:
        with open(f"{paths.blobs}/{hex_of(digest)}", "rb") as file:
            data = file.read(DOCUMENT + 1)
    except FileNotFoundError:
        raise Damaged(f"the store lacks blob {digest}: pull the image, or make it again") from None
    if sha256(data) != digest:
        raise Damaged(f"blob {digest} has another content than its digest says: pull the image, or make it again")
    try:
        document = jsontext.loads(data)
    except (ValueError, RecursionError):
        raise Damaged(f"blob {digest} is no JSON document: make the image again") from None
    if not isinstance(document, dict):
        raise Damaged(f"blob {digest} is no JSON object: make the image again")
    return document
