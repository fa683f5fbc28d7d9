# SPDX-License-Identifier: GPL-3.0-or-later
"""What `docker save` writes, read as if it were an OCI image: manifest.json of today, and `repositories` of before 2016."""

from __future__ import annotations

from .. import mediatypes
from ..digests import PREFIX, hex_of, is_digest, sha256
from ..errors import Refused
from ..storage import documents, members, oci
from ..storage.blobs import digest_of
from ..storage.limits import LAYERS
from ..storage.stream import decompressed
from ..values import Value
from .arrive import OnlyWay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..storage.members import Members
    from ..storage.oci import Descriptor

_TOP = frozenset(("oci-layout", "index.json", "manifest.json", "repositories", "blobs", ""))
_INNER = frozenset(("layer.tar", "VERSION", "json"))
_HEX = frozenset("0123456789abcdef")
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Item(Value):
    """One image: the names it was saved under, a manifest made for it, its config, and the member for each layer's digest."""

    names: tuple[str, ...]
    manifest: bytes
    config: bytes
    places: dict[str, str]


class Saved(OnlyWay):
    """The provider for one image of such an archive."""

    def __init__(self, files: Members, item: Item) -> None:
        self._files, self._item = files, item

    def document(self, descriptor: Descriptor) -> bytes:
        del descriptor  # the manifest is ours, so that its config is the only one there is
        return self._item.config

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        return self._files.blocks(self._item.places[descriptor.digest])


def fits(name: str) -> bool:
    """Whether a member of an archive of images may be called so; the members of a layer are called otherwise."""
    parts = name.split("/")
    if len(parts) == 1:
        return name in _TOP or _is_hex(name.removesuffix(".json").removesuffix(".tar"))
    if parts[0] == "blobs":
        return len(parts) == 2 or (len(parts) == 3 and _is_hex(parts[2]))
    return len(parts) == 2 and _is_hex(parts[0]) and parts[1] in _INNER


def _is_hex(text: str) -> bool:
    return len(text) in (64, 96, 128) and _HEX.issuperset(text)


def read(files: Members) -> list[Item]:
    """The images that manifest.json lists. Refused when it lists what is not there."""
    what = f"manifest.json of {files.what}"
    items = documents.unpack_list(members.document(files, "manifest.json"), what)
    return [_item(files, item, what) for item in items]


def _item(files: Members, item: object, what: str) -> Item:
    fields = item if isinstance(item, dict) else {}
    names, layers = fields.get("RepoTags") or [], fields.get("Layers")
    config = fields.get("Config")
    if not (isinstance(config, str) and _is_texts(names) and isinstance(layers, list) and _is_texts(layers)):
        raise Refused(f"{what} has an image without Config and Layers")
    return _assembled(files, tuple(names), members.document(files, config), layers, what)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _assembled(files: Members, names: tuple[str, ...], config: bytes, layers: list[str], what: str) -> Item:
    diff_ids = oci.read_config(config, f"the config in {files.what}").diff_ids
    if len(diff_ids) != len(layers) or len(layers) > LAYERS:
        raise Refused(f"{what} has {len(layers)} layers, and the config speaks of {len(diff_ids)}")
    described = [_layer(files, name, diff_id) for name, diff_id in zip(layers, diff_ids)]
    manifest = {
        "schemaVersion": 2,
        "mediaType": mediatypes.MANIFEST,
        "config": {"mediaType": mediatypes.CONFIG, "digest": sha256(config), "size": len(config)},
        "layers": described,
    }
    places = {item["digest"]: name for item, name in zip(described, layers)}
    return Item(names=names, manifest=documents.pack(manifest), config=config, places=places)


def _layer(files: Members, name: str, diff_id: str) -> dict[str, Any]:
    start = next(files.blocks(name), b"")[:4]
    if start.startswith((_GZIP, _ZSTD)):
        kind = mediatypes.LAYER_GZIP if start.startswith(_GZIP) else mediatypes.LAYER_ZSTD
        return {"mediaType": kind, "digest": digest_of(files.blocks(name)), "size": files.size(name)}
    # An uncompressed layer's digest is its diff id, which unpacking proves.
    return {"mediaType": mediatypes.LAYER, "digest": diff_id, "size": files.size(name)}


def read_legacy(files: Members) -> list[Item]:
    """The images that `repositories` names: {name: {tag: id}}, each id a directory with json (its parent in it) and layer.tar."""
    what = f"repositories of {files.what}"
    tops: dict[str, list[str]] = {}
    for name, tags in documents.unpack(members.document(files, "repositories"), what).items():
        for tag, ident in (tags if isinstance(tags, dict) else {}).items():
            if not isinstance(ident, str) or not is_digest(PREFIX + ident):
                raise Refused(f"{what} names something that is no id")
            tops.setdefault(ident, []).append(f"{name}:{tag}")
    return [_legacy(files, tuple(sorted(names)), ident, what) for ident, names in sorted(tops.items())]


def _legacy(files: Members, names: tuple[str, ...], top: str, what: str) -> Item:
    order: list[str] = []
    described: dict[str, Any] = {}
    ident: object = top
    while ident:
        if not isinstance(ident, str) or not is_digest(PREFIX + ident) or ident in order or len(order) >= LAYERS:
            raise Refused(f"{what} leads to an image without a beginning")
        order.insert(0, ident)
        one = documents.unpack(members.document(files, f"{ident}/json"), f"{ident}/json of {files.what}")
        described, ident = described or one, one.get("parent")
    layers = [f"{hex_of(PREFIX + one)}/layer.tar" for one in order]
    diff_ids = [digest_of(decompressed(files.blocks(name), files.what)) for name in layers]
    config = {key: described[key] for key in ("created", "author", "config") if described.get(key) is not None}
    config["architecture"], config["os"] = described.get("architecture") or "amd64", described.get("os") or "linux"
    config["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
    return _assembled(files, names, documents.pack(config), layers, what)
