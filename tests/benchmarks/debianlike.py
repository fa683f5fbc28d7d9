# SPDX-License-Identifier: GPL-3.0-or-later
"""An image of the size and shape of a Debian: four compressed layers of the host's own programs, libraries and texts."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LAYERS = 4
SOURCES = ("/usr/bin", "/usr/lib", "/usr/share")
BIGGEST = 4 << 20


def write_layout(path: Path, files: int, size: int) -> None:
    """An OCI layout with one image: about so many files and bytes."""
    (path / "blobs/sha256").mkdir(parents=True)
    chosen = list(_choose(files, size))
    share = -(-len(chosen) // LAYERS)
    layers = [_layer(path, chosen[at : at + share]) for at in range(0, len(chosen), share)]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _descriptor, diff_id in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _document(path, config, "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor for descriptor, _diff_id in layers],
    }
    descriptor = _document(path, manifest, "application/vnd.oci.image.manifest.v1+json")
    (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
    (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


def write_flat(path: Path, files: int, size: int) -> None:
    """The same files in one tar."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in _choose(files, size):
            tar.add(name, arcname=name.lstrip("/"), recursive=False)


def _choose(files: int, size: int) -> Iterator[str]:
    """The host's files in the order of their names, an equal part from each source: what every run on this host takes."""
    for source in SOURCES:
        left, room = files // len(SOURCES), size // len(SOURCES)
        for directory, below, names in os.walk(source):
            below.sort()
            yield directory
            for name in sorted(names):
                path = os.path.join(directory, name)
                status = os.lstat(path)
                if not stat.S_ISREG(status.st_mode) or status.st_size > min(BIGGEST, room):
                    continue
                yield path
                left, room = left - 1, room - status.st_size
                if not left:
                    break
            if not left or room < 1024:
                break


def _layer(path: Path, names: list[str]) -> tuple[dict[str, Any], str]:
    flat, packed = path / "layer.tar", path / "layer.tar.gz"
    with tarfile.open(flat, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in names:
            tar.add(name, arcname=name.lstrip("/"), recursive=False)
    diff_id = _digest(flat)
    with flat.open("rb") as source, gzip.GzipFile(packed, "wb", compresslevel=6, mtime=0) as target:
        while block := source.read(1 << 20):
            target.write(block)
    flat.unlink()
    return _blob(path, packed, "application/vnd.oci.image.layer.v1.tar+gzip"), diff_id


def _document(path: Path, document: dict[str, Any], media_type: str) -> dict[str, Any]:
    made = path / "document"
    made.write_text(json.dumps(document))
    return _blob(path, made, media_type)


def _blob(path: Path, made: Path, media_type: str) -> dict[str, Any]:
    digest, size = _digest(made), made.stat().st_size
    made.rename(path / "blobs/sha256" / digest.partition(":")[2])
    return {"mediaType": media_type, "digest": digest, "size": size}


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return f"sha256:{found.hexdigest()}"
