# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb container_image_receive: an image that the controller or another host describes, with the layers that this one lacks."""

from __future__ import annotations

import contextlib
import os

from .. import jsontext
from ..answer import Answer
from ..digests import sha256
from ..errors import InvalidSpec, NotFound
from ..progress import named, silent
from ..storage import collect, marks, stored
from ..values import Value
from .archive import Layout, open_members
from .arrive import OnlyWay, arrive, resolve
from .converge import read_spec
from .naming import name_lock
from .reference import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..paths import Paths
    from ..progress import Report
    from ..storage.oci import Descriptor
    from .arrive import Provider


class Offer(Value):
    """What is said of the image, byte for byte: its manifest or index, and by their digests the documents that this leads to."""

    manifest: bytes
    media_type: str
    parts: dict[str, bytes] = {}


def container_image_receive(paths: Paths, params: dict[str, Any], *, check: bool, progress: Report = silent) -> Answer:
    """Let the image in `documents` be called `name`; `archive` has its other parts.

    They are JSON text: media_type, manifest (or index), and config or, for an index, a list `parts` of manifests and configs.
    The result: image, and missing: digests of the blobs to bring. With any missing and no `archive` nothing is done, also
    without `check`; then the answer is what will be done, as it is with `check`.
    """
    spec, offer, archive = (
        read_spec({**params, "archive": None}),
        read_offer(params.get("documents")),
        params.get("archive"),
    )
    reference = parse(spec.name)
    if reference.digest not in ("", sha256(offer.manifest)):
        raise NotFound(f"image {spec.name} is not there: its name has {sha256(offer.manifest)} now")
    if not check:
        paths.prepare()
        collect.recover(paths)
    host, platform = params.get("source_host"), params.get("platform")
    source = {"key": f"host:{host}" if host else "controller"}
    with contextlib.ExitStack() as held:
        if os.path.isdir(paths.locks):
            held.enter_context(name_lock(paths, reference.name))
        provider = _Provider(offer, None)
        answer = arrive(
            paths,
            reference.name,
            provider,
            offer.manifest,
            offer.media_type,
            source=source,
            check=True,
            limits=spec.limits,
            platform=platform,
        )
        missing = _missing(paths, offer, platform, spec.name) if answer.changed else []
        if check or not answer.changed or (missing and not archive):
            return answer.replace(result={**answer.result, "missing": missing})
        if archive:
            files, _unused = held.enter_context(open_members(paths, str(archive), spec.limits))
            provider = _Provider(offer, Layout(files) if files else None)
        answer = arrive(
            paths, reference.name, provider, offer.manifest, offer.media_type, source=source, check=False, limits=spec.limits,
            progress=named(progress, reference.name), what="load", platform=platform,
        )  # fmt: skip
        return answer.replace(result={**answer.result, "missing": []})


def read_offer(text: object) -> Offer:
    """InvalidSpec for what is none."""
    try:
        found = jsontext.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        found = None
    fields = found if isinstance(found, dict) else {}
    parts = fields.get("parts", [fields.get("config")])
    texts = [fields.get("media_type"), fields.get("manifest"), *(parts if isinstance(parts, list) else [None])]
    if not all(isinstance(text, str) for text in texts):
        raise InvalidSpec("documents: this is no description of an image by another engine")
    try:
        manifest, *others = (str(text).encode() for text in texts[1:])
    except UnicodeEncodeError:
        raise InvalidSpec("documents: there are characters in it that are none") from None
    return Offer(manifest=manifest, media_type=str(texts[0]), parts={sha256(part): part for part in others})


def _missing(paths: Paths, offer: Offer, platform: str | None, name: str) -> list[str]:
    layers = resolve(_Provider(offer, None), offer.manifest, offer.media_type, platform, name).manifest.layers
    marked = marks.read(paths).blobs
    return sorted({item.digest for item in layers if item.digest in marked or not stored.has(paths, item.digest)})


class _Provider(OnlyWay):
    """The documents at hand, and the blobs out of an archive that has what was missing."""

    def __init__(self, offer: Offer, files: Provider | None) -> None:
        self._offer, self._files = offer, files

    def document(self, descriptor: Descriptor) -> bytes:
        if descriptor.digest not in self._offer.parts:
            raise NotFound(f"document {descriptor.digest} is not where the image comes from")
        return self._offer.parts[descriptor.digest]

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        if self._files is None:
            raise NotFound(f"blob {descriptor.digest} was removed meanwhile: try again")
        return self._files.blob(descriptor)
