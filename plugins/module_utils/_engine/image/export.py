# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb container_image_export: an image as an OCI layout or as what `docker load` reads, the same bytes on every host."""

from __future__ import annotations

import contextlib
import json
import os

from .. import mediatypes
from ..answer import Answer
from ..digests import hex_of, is_digest
from ..errors import InvalidSpec, Refused
from ..plan import Plan, Step
from ..storage import blobs, bundle, documents, layout, oci, stored
from .resolve import find, load, missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths
    from ..storage.bundle import Parts
    from ..storage.layout import Descriptor

FORMATS = ("oci-archive", "oci-dir", "docker-archive")
_CONTAINERD_NAME = "io.containerd.image.name"


def container_image_export(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """Write the image `name` to `path` in `format`; nothing changes when the same content is there.

    `omit` lists digests of blobs that whoever gets the archive has already; `force` replaces a directory that is something
    else. The result: path, format, size (bytes), digest (the manifest's).
    """
    name, path, form = params.get("name"), params.get("path"), params.get("format") or FORMATS[0]
    omit = params.get("omit") or []
    if not isinstance(name, str) or not isinstance(path, str):
        raise InvalidSpec("an export needs the name of an image and a path")
    if form not in FORMATS:
        raise InvalidSpec(f"format: {form!a} is none of {', '.join(FORMATS)}")
    if not isinstance(omit, list) or not all(map(is_digest, omit)):
        raise InvalidSpec("omit: this is no list of sha256 digests")
    if omit and form == "docker-archive":
        raise InvalidSpec(
            "omit: a docker-archive without some of its layers can't be loaded: use oci-archive or oci-dir"
        )
    with layout.reading(paths), contextlib.ExitStack() as held:
        found = find(paths, layout.read_index(paths), name)
        if found is None:
            raise missing(name)
        load(paths, found)  # what is damaged is not handed on
        parts = _docker(paths, found, held) if form == "docker-archive" else _oci(paths, found, set(omit), held)
        return _export(found, parts, os.path.normpath(path), str(form), params, check=check)


def _export(found: Descriptor, parts: Parts, path: str, form: str, params: dict[str, Any], *, check: bool) -> Answer:
    is_directory = form == "oci-dir"
    known = is_directory and os.path.isfile(f"{path}/oci-layout") and os.path.isfile(f"{path}/index.json")
    bundle.check_place(path, directory=is_directory, force=bool(params.get("force")), is_known=known)
    same = os.path.lexists(path) and (bundle.same_directory if is_directory else bundle.same_tar)(parts, path)
    after = {"path": path, "state": "present", "format": form, "digest": found["digest"]}
    before = after if same else {"path": path, "state": "other" if os.path.lexists(path) else "absent"}
    write = bundle.write_directory if is_directory else bundle.write_tar
    steps = () if same else (Step(what=f"write {path}", run=lambda: write(parts, path)),)
    plan = Plan(before=before, after=after, steps=steps)
    if not check:
        plan.apply()
    size = sum(map(bundle.part_size, parts.values())) if is_directory else bundle.tar_size(parts)
    result = {"path": path, "format": form, "size": size, "digest": found["digest"]}
    return Answer(changed=plan.changed, before=before, after=after, result={"export": result})


def _manifest(paths: Paths, found: Descriptor) -> oci.Manifest:
    manifest = oci.read_manifest(blobs.read(paths, found["digest"]), "", f"manifest {found['digest']}")
    if isinstance(manifest, oci.Index):
        raise Refused(f"{found['digest']} is an index, and the store has images only: run system check")
    return manifest


def _oci(paths: Paths, found: Descriptor, omit: set[str], held: contextlib.ExitStack) -> Parts:
    """An OCI image layout with this one image, under its name."""
    manifest = _manifest(paths, found)
    name = layout.name_of(found) or ""
    # containerd and Docker want the whole name, with its registry; ref.name is for all others.
    whole = name if _has_host(name) else f"docker.io/{'' if '/' in name else 'library/'}{name}"
    annotations = {layout.NAME: name, _CONTAINERD_NAME: whole} if name else {}
    item = {"mediaType": manifest.media_type, "digest": found["digest"], "size": found["size"]}
    item.update({"annotations": annotations} if annotations else {})
    parts: Parts = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": documents.pack({"schemaVersion": 2, "mediaType": mediatypes.INDEX, "manifests": [item]}),
    }
    for digest in (found["digest"], manifest.config.digest):
        if digest not in omit:
            parts[bundle.named(digest)] = blobs.read(paths, digest)
    for digest in {layer.digest: layer for layer in manifest.layers}:
        if digest not in omit:
            parts[bundle.named(digest)] = held.enter_context(stored.open_blob(paths, digest))
    return parts


def _docker(paths: Paths, found: Descriptor, held: contextlib.ExitStack) -> Parts:
    """What `docker load` reads. The layers are the store's blobs: it reads them compressed as well."""
    manifest = _manifest(paths, found)
    name = layout.name_of(found)
    config = f"{hex_of(manifest.config.digest)}.json"
    layers = [f"{hex_of(layer.digest)}.tar" for layer in manifest.layers]
    listed = [{"Config": config, "RepoTags": [name] if name else [], "Layers": layers}]
    parts: Parts = {"manifest.json": json.dumps(listed, separators=(",", ":")).encode()}
    parts[config] = blobs.read(paths, manifest.config.digest)
    for place, layer in zip(layers, manifest.layers):
        if place not in parts:
            parts[place] = held.enter_context(stored.open_blob(paths, layer.digest))
    return parts


def _has_host(name: str) -> bool:
    host, slash, _unused = name.partition("/")
    return bool(slash) and ("." in host or ":" in host or host == "localhost")
