# SPDX-License-Identifier: GPL-3.0-or-later
"""The store as an OCI image layout: index.json is the one list of what is there, and is replaced whole or not at all.

Needs next to nothing imported: resolving an image is on the way of every start.
"""

from __future__ import annotations

import os

from .. import jsontext, mediatypes
from ..errors import Damaged
from ..locks import Lock
from ..records import seal, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths

    Descriptor = dict[str, Any]

NAME = "org.opencontainers.image.ref.name"
SOURCE = "dev.berth.source"
ADDED = "dev.berth.added"
CHAINS = "dev.berth.chains"
SEAL = "dev.berth.seal"
_OURS = b'{"annotations":{"dev.berth.seal":"'
_BEFORE = b'"},"manifests":'
_AFTER = b',"mediaType":"%s","schemaVersion":2}' % mediatypes.INDEX.encode()
_KEYS = {"schemaVersion", "mediaType", "manifests", "annotations", "artifactType", "subject"}

_LOCK = "store"


def reading(paths: Paths) -> Lock:
    """Hold it between resolving an image and recording who uses it: nothing is collected meanwhile."""
    return Lock(paths.locks, _LOCK, shared=True)


def changing(paths: Paths) -> Lock:
    """Hold it to publish into the store or to collect from it."""
    return Lock(paths.locks, _LOCK)


def read_index(paths: Paths, *, sealed: bool = True) -> list[Descriptor]:
    """The manifests' descriptors, in order; none when there is no store yet. Damaged when it is no index.

    Damaged, too, when it is not as it was written, unless `sealed` is False: who repairs it wants to see it all the same.
    """
    path = f"{paths.root}/index.json"
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return []
    manifests = _manifests(path, data)
    if sealed and not _is_as_written(data):
        raise Damaged(
            f"{path} is not what was written, a name or a digest in it may be wrong: run berth system check --repair"
        )
    return manifests


def _manifests(path: str, data: bytes) -> list[Descriptor]:
    try:
        document = jsontext.loads(data)
    except (ValueError, RecursionError):
        raise Damaged(f"{path} is no JSON document: remove it, and make the images again") from None
    manifests = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(manifests, list) or not all(
        isinstance(item, dict) and isinstance(item.get("digest"), str) for item in manifests
    ):
        raise Damaged(f"{path} is no OCI image index: remove it, and make the images again")
    return manifests


def called(descriptors: list[Descriptor], name: str) -> Descriptor | None:
    """The descriptor that has the name (normalised), None when none has."""
    return next((item for item in descriptors if name_of(item) == name), None)


def name_of(descriptor: Descriptor) -> str | None:
    """The image's name, or None for one that lost its name and is still in use."""
    name = annotations_of(descriptor).get(NAME)
    return name if isinstance(name, str) else None


def annotations_of(descriptor: Descriptor) -> dict[str, Any]:
    """The annotations of a descriptor, which may have none."""
    found = descriptor.get("annotations")
    return found if isinstance(found, dict) else {}


def write_index(paths: Paths, descriptors: list[Descriptor]) -> None:
    """Replace the index, durably. The caller holds `changing`; everything the descriptors name is on the disk already."""
    marker = f"{paths.root}/oci-layout"
    if not os.path.exists(marker):
        write_file(marker, b'{"imageLayoutVersion":"1.0.0"}')
    ordered = sorted(descriptors, key=lambda item: (name_of(item) or "", item["digest"]))
    document = {
        "schemaVersion": 2, "mediaType": mediatypes.INDEX, "manifests": ordered, "annotations": {SEAL: _seal(ordered)},
    }  # fmt: skip
    write_file(f"{paths.root}/index.json", jsontext.dumps(document).encode())


def is_sealed(paths: Paths) -> bool:
    """Whether the index is as `write_index` wrote it, or has no seal because another tool wrote it. Damaged when it is no index."""
    path = f"{paths.root}/index.json"
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return True
    return bool(_manifests(path, data) is not None and _is_as_written(data))


def _is_as_written(data: bytes) -> bool:
    """Of an index. What `write_index` wrote is told by its first bytes, and its seal by those between that and its last."""
    if data.startswith(_OURS):
        start = len(_OURS) + 8
        inner = data[start + len(_BEFORE) : -len(_AFTER)]
        frame = data[start : start + len(_BEFORE)], data[-len(_AFTER) :]
        return frame == (_BEFORE, _AFTER) and data[len(_OURS) : start] == seal(inner).encode()
    document = jsontext.loads(data)
    annotations = document.get("annotations") or {}
    by_another = not annotations or SEAL in annotations or jsontext.dumps(document).encode() != data
    return by_another and set(document) <= _KEYS


def _seal(manifests: list[Descriptor]) -> str:
    """Names and annotations have no digest of their own; with this, a bit that the disk has turned is found in them, too."""
    return seal(jsontext.dumps(manifests).encode())
