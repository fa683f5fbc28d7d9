# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives of images made part by part, so that a test can bend any of them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pathlib
import subprocess
import tarfile
from typing import Any

from ansible_collections.berth.containers.plugins.module_utils._engine import mediatypes
from ansible_collections.berth.containers.plugins.module_utils._engine.answer import Answer
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.tests.kernel.image.stores import ask
from ansible_collections.berth.containers.tests.unit.storage.tars import END

SUFFIX = {"": mediatypes.LAYER, "gzip": mediatypes.LAYER_GZIP, "zstd": mediatypes.LAYER_ZSTD}


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def packed(data: bytes, how: str) -> bytes:
    """`data` compressed."""
    if how == "zstd":
        return subprocess.run(["zstd", "-qc"], input=data, check=True, capture_output=True).stdout
    return gzip.compress(data, mtime=0) if how == "gzip" else data


class Image:
    """An image of these layers (tars without their end mark): files by their names in a layout. `manifest` and `config` are
    documents that a test changes before `files` is asked for."""

    def __init__(self, *layers: bytes, how: str = "gzip", end: bytes = END, **config: Any) -> None:
        self.tars = [layer + end for layer in layers]
        self.blobs = [packed(tar, how) for tar in self.tars]
        self.config: dict[str, Any] = {
            "os": "linux",
            "architecture": "amd64",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in self.tars]},
        }
        self.manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": mediatypes.MANIFEST,
            "layers": [{"mediaType": SUFFIX[how], "digest": digest(blob), "size": len(blob)} for blob in self.blobs],
        }

    def files(self, **annotations: str) -> dict[str, bytes]:
        """The layout's files by name."""
        found = {f"blobs/sha256/{digest(blob)[7:]}": blob for blob in self.blobs}
        config = json.dumps(self.config).encode()
        about = {"mediaType": mediatypes.CONFIG, "digest": digest(config), "size": len(config)}
        manifest = json.dumps({"config": about, **self.manifest}).encode()
        item = {"mediaType": mediatypes.MANIFEST, "digest": digest(manifest), "size": len(manifest)}
        if annotations:
            item["annotations"] = {key.replace("_", "."): value for key, value in annotations.items()}  # type: ignore[assignment]
        for document in (config, manifest):
            found[f"blobs/sha256/{digest(document)[7:]}"] = document
        found["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [item]}).encode()
        found["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
        return found

    def saved(self, name: str) -> dict[str, bytes]:
        """What `docker save` wrote before it wrote layouts."""
        config = json.dumps(self.config).encode()
        names = [f"{digest(blob)[7:]}/layer.tar" for blob in self.blobs]
        listed = [{"Config": f"{digest(config)[7:]}.json", "RepoTags": [name], "Layers": names}]
        return {
            **dict(zip(names, self.blobs, strict=True)),
            f"{digest(config)[7:]}.json": config,
            "manifest.json": json.dumps(listed).encode(),
        }

    def legacy(self, name: str, tag: str) -> dict[str, bytes]:
        """What `docker save` wrote before it knew manifest.json."""
        found: dict[str, bytes] = {}
        parent = ""
        for number, blob in enumerate(self.blobs):
            ident = f"{number + 1:064x}"
            one = {"id": ident, "os": "linux", "architecture": "amd64", "config": self.config["config"]}
            found[f"{ident}/json"] = json.dumps({**one, **({"parent": parent} if parent else {})}).encode()
            found[f"{ident}/layer.tar"], found[f"{ident}/VERSION"] = blob, b"1.0"
            parent = ident
        return {**found, "repositories": json.dumps({name: {tag: parent}}).encode()}


def joined(*layouts: dict[str, bytes]) -> dict[str, bytes]:
    """One layout with the images of several."""
    found = {name: data for layout in layouts for name, data in layout.items()}
    manifests = [item for layout in layouts for item in json.loads(layout["index.json"])["manifests"]]
    return {**found, "index.json": json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()}


def lay(files: dict[str, bytes], path: pathlib.Path) -> str:
    """The files below `path`."""
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return str(path)


def pack(files: dict[str, bytes], path: pathlib.Path, how: str = "") -> str:
    """The files as a tar at `path`."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    path.write_bytes(packed(data.getvalue(), how))
    return str(path)


def converge(paths: Paths, verb: str, **params: Any) -> Answer:
    """Check, run, run again, check again: the prediction is exact, and the second run changes nothing."""
    predicted = ask(paths, verb, check=True, **params)
    done = ask(paths, verb, **params)
    assert (predicted.changed, predicted.before, predicted.after) == (done.changed, done.before, done.after)
    assert os.listdir(paths.staging) == []
    for check in (False, True):
        again = ask(paths, verb, check=check, **params)
        assert (again.changed, again.before, again.after, again.result) == (False, done.after, done.after, done.result)
    return done
