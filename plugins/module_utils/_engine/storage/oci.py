# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests, indexes, configs and layouts that somebody else wrote, read strictly into values, or refused with a sentence.

OCI image specification 1.1 and Docker's image manifest version 2, schema 2; nothing older, and no document that is two things.
"""

from __future__ import annotations

from .. import mediatypes
from ..digests import is_digest
from ..errors import Refused
from ..mediatypes import DOCUMENT
from ..values import Value
from . import documents
from .limits import LAYERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FOREIGN = ("layer.nondistributable.", "rootfs.foreign.")

_LARGEST = 1 << 50
_MOST = 5000
_LONGEST = 255
_CONFIG_LISTS = ("Env", "Cmd", "Entrypoint")
_CONFIG_TEXTS = ("User", "WorkingDir", "StopSignal")
_CONFIG_SETS = ("ExposedPorts", "Volumes")


class Descriptor(Value):
    """What points at a blob. `platform` is the document's object or None; `annotations` have texts only."""

    media_type: str
    digest: str
    size: int
    platform: dict[str, Any] | None = None
    annotations: dict[str, str] = {}


class Manifest(Value):
    """One image. `media_type` says whether it is OCI's or Docker's."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str


class Index(Value):
    """Several images of one name; its entries may be indexes themselves."""

    manifests: tuple[Descriptor, ...]
    media_type: str = mediatypes.INDEX


class Config(Value):
    """What an image is for and how it is run. `config` is the document's own object of that name, `document` all of it."""

    os: str
    architecture: str
    variant: str
    diff_ids: tuple[str, ...]
    config: dict[str, Any]
    created: str
    history: tuple[dict[str, Any], ...]
    document: dict[str, Any]


def read_manifest(data: bytes, media_type: str, what: str) -> Manifest | Index:
    """The manifest or index in `data`. `media_type` is what came with it, "" when nothing did: then the document tells."""
    document = _document(data, what)
    kind = _kind(document, media_type, what)
    if kind in mediatypes.INDEXES:
        entries = _list(document, "manifests", what, _MOST)
        return Index(manifests=tuple(_descriptor(item, what) for item in entries), media_type=kind)
    config = _descriptor(document.get("config"), what)
    if config.media_type not in mediatypes.CONFIGS:
        raise Refused(f"{what} is no image: its config is {config.media_type[:100]!a}")
    if config.size > DOCUMENT:
        raise Refused(f"{what} has a config of {config.size} bytes: {DOCUMENT} are read")
    layers = tuple(_descriptor(item, what) for item in _list(document, "layers", what, LAYERS))
    for layer in layers:
        _check_layer(layer, what)
    return Manifest(config=config, layers=layers, media_type=kind)


def read_config(data: bytes, what: str) -> Config:
    """The image config in `data`: as many diff ids as there are layers is for the caller to check."""
    document = _document(data, what)
    rootfs = document.get("rootfs")
    if not isinstance(rootfs, dict) or rootfs.get("type") != "layers":
        raise Refused(f"{what} is no image config: its rootfs is not of the type layers")
    diff_ids = _list(rootfs, "diff_ids", what, LAYERS)
    if not all(map(is_digest, diff_ids)):
        raise Refused(f"{what} has a diff id that is no sha256 digest")
    history = document.get("history")
    history = [] if history is None else history
    if not isinstance(history, list) or not all(isinstance(item, dict) for item in history):
        raise Refused(f"{what} has a history that is no list of objects")
    return Config(
        os=_word(document, "os", what), architecture=_word(document, "architecture", what),
        variant=_text(document, "variant", what), diff_ids=tuple(diff_ids), config=_settings(document, what),
        created=_text(document, "created", what), history=tuple(history), document=document,
    )  # fmt: skip


def read_layout(data: bytes, what: str) -> None:
    """Refused unless `data` is the oci-layout file of a layout that can be read."""
    version = documents.unpack(data, what).get("imageLayoutVersion")
    if version != "1.0.0":
        raise Refused(f"{what} is no OCI image layout of version 1.0.0: it says {str(version)[:40]!a}")


def _document(data: bytes, what: str) -> dict[str, Any]:
    document = documents.unpack(data, what)
    if b"\\u" in data:
        try:
            documents.pack(document)
        except UnicodeEncodeError:
            raise Refused(f"{what} has half a surrogate pair in a text") from None
    return document


def _kind(document: dict[str, Any], media_type: str, what: str) -> str:
    said = document.get("mediaType")
    version = document.get("schemaVersion")
    if version == 1 or media_type.startswith(mediatypes.SCHEMA_1) or "fsLayers" in document:
        raise Refused(
            f"{what} is a manifest of schema 1, which nothing can verify: push the image again with a newer tool"
        )
    if version != 2 or isinstance(version, (bool, float)):
        raise Refused(f"{what} is no manifest: its schemaVersion is {str(version)[:40]!a}, not 2")
    if said is not None and not isinstance(said, str):
        raise Refused(f"{what} has a mediaType that is no text")
    if said and media_type and said != media_type:
        raise Refused(f"{what} came as {media_type[:100]!a} and says that it is {said[:100]!a}")
    is_index, is_manifest = "manifests" in document, "config" in document or "layers" in document
    if is_index and is_manifest:
        raise Refused(f"{what} is a manifest and an index at once (CVE-2021-41190)")
    kind = said or media_type or (mediatypes.INDEX if is_index else mediatypes.MANIFEST)
    if kind not in (mediatypes.INDEXES if is_index else mediatypes.MANIFESTS):
        raise Refused(f"{what} is no image manifest or index: its type is {kind[:100]!a}")
    return kind


def _descriptor(item: object, what: str) -> Descriptor:
    if not isinstance(item, dict):
        raise Refused(f"{what} has a descriptor that is no object")
    media_type, digest, size = item.get("mediaType"), item.get("digest"), item.get("size")
    platform, annotations = item.get("platform"), item.get("annotations")
    if not isinstance(media_type, str) or not media_type or len(media_type) > _LONGEST:
        raise Refused(f"{what} has a descriptor without a media type")
    if not is_digest(digest):
        raise Refused(f"{what} points at {str(digest)[:80]!a}, which is no sha256 digest")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= _LARGEST:
        raise Refused(f"{what} gives {digest} the size {str(size)[:40]!a}")
    if platform is not None and not _is_platform(platform):
        raise Refused(f"{what} has a platform that is none for {digest}")
    if annotations is not None and not _is_texts(annotations):
        raise Refused(f"{what} has annotations of {digest} that are no texts")
    return Descriptor(
        media_type=media_type, digest=str(digest), size=size, platform=platform, annotations=annotations or {}
    )


def _check_layer(layer: Descriptor, what: str) -> None:
    if any(part in layer.media_type for part in _FOREIGN):
        raise Refused(f"{what} has a foreign layer {layer.digest}, which lies elsewhere: such layers are not fetched")
    if layer.media_type not in mediatypes.LAYERS:
        raise Refused(f"{what} has a layer {layer.digest} of the type {layer.media_type[:100]!a}, which is no layer's")


def _is_platform(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    words = [value.get(key) for key in ("os", "architecture")]
    return all(isinstance(word, str) and word for word in words) and isinstance(value.get("variant", ""), str)


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _list(document: dict[str, Any], key: str, what: str, most: int) -> list[Any]:
    value = document.get(key)
    if not isinstance(value, list):
        raise Refused(f"{what} has no list {key}")
    if len(value) > most:
        raise Refused(f"{what} has {len(value)} {key}: {most} are read")
    return value


def _text(document: dict[str, Any], key: str, what: str) -> str:
    value = document.get(key)
    if value is not None and not isinstance(value, str):
        raise Refused(f"{what} has a {key} that is no text")
    return value or ""


def _word(document: dict[str, Any], key: str, what: str) -> str:
    value = _text(document, key, what)
    if not value or len(value) > _LONGEST:
        raise Refused(f"{what} is no image config: it names no {key}")
    return value


def _settings(document: dict[str, Any], what: str) -> dict[str, Any]:
    """The fields that containers are started by have the shapes that starting them relies on; null is nothing."""
    config = document.get("config")
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise Refused(f"{what} has a config that is no object")
    for key in _CONFIG_LISTS:
        if not (config.get(key) is None or (isinstance(config[key], list) and all(map(_is_word, config[key])))):
            raise Refused(f"{what} has a {key} that is no list of texts")
    for key in _CONFIG_TEXTS:
        if not (config.get(key) is None or _is_word(config[key])):
            raise Refused(f"{what} has a {key} that is no text")
    for key in _CONFIG_SETS:
        if not (config.get(key) is None or (isinstance(config[key], dict) and all(map(_is_word, config[key])))):
            raise Refused(f"{what} has {key} that are no object")
    if not (config.get("Labels") is None or _is_texts(config["Labels"])):
        raise Refused(f"{what} has Labels that are no texts")
    return config


def _is_word(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value
