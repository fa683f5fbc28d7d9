# SPDX-License-Identifier: GPL-3.0-or-later
"""The parsers of OCI documents and the JSON Schemas written from the specification accept the same; what is ambiguous, neither."""

from __future__ import annotations

import copy
import json
import pathlib
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine import mediatypes
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError, NotFound, Refused
from ansible_collections.berth.containers.plugins.module_utils._engine.storage import oci, platforms

SCHEMAS = pathlib.Path(__file__).with_name("schemas")
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "0123456789abcdef" * 4
DOCKER = "application/vnd.docker."


def descriptor(media_type: str, digest: str = DIGEST, size: Any = 7, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size, **more}


MANIFEST: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": mediatypes.MANIFEST,
    "config": descriptor(mediatypes.CONFIG),
    "layers": [
        descriptor(mediatypes.LAYER_GZIP, OTHER),
        descriptor(mediatypes.LAYER),
        descriptor(mediatypes.LAYER_ZSTD),
    ],
    "annotations": {"a": "b"},
}
INDEX: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": mediatypes.INDEX,
    "manifests": [
        descriptor(mediatypes.MANIFEST, platform={"os": "linux", "architecture": "arm64", "variant": "v8"}),
        descriptor(
            mediatypes.MANIFEST, OTHER, annotations={"k": "v"}, platform={"os": "linux", "architecture": "amd64"}
        ),
        descriptor(mediatypes.INDEX),
    ],
}
CONFIG: dict[str, Any] = {
    "os": "linux",
    "architecture": "arm64",
    "variant": "v8",
    "created": "2026-01-01T00:00:00Z",
    "rootfs": {"type": "layers", "diff_ids": [DIGEST, OTHER]},
    "history": [{"created_by": "a"}],
    "config": {
        "Env": ["A=b"], "Cmd": ["sh"], "Entrypoint": None, "User": "1:2", "WorkingDir": "/", "StopSignal": "SIGTERM",
        "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}}, "Labels": {"a": "b"},
    },
}  # fmt: skip
LAYOUT = {"imageLayoutVersion": "1.0.0"}
JUNK = [None, True, False, 0, 2, -1, 1.5, 1 << 51, "", "x", "a\0b", [], ["x"], [1], {}, {"x": "y"}, {"x": 1}, DIGEST,
        DIGEST.upper(), DIGEST + "\n", mediatypes.MANIFEST, mediatypes.LAYER,
        "application/vnd.oci.image.layer.nondistributable.v1.tar"]  # fmt: skip
KINDS: dict[str, tuple[dict[str, Any], Callable[[bytes], object]]] = {
    "manifest": (MANIFEST, lambda data: manifest_of(data, oci.Manifest)),
    "index": (INDEX, lambda data: manifest_of(data, oci.Index)),
    "config": (CONFIG, lambda data: oci.read_config(data, "it")),
    "layout": (LAYOUT, lambda data: oci.read_layout(data, "it")),
}


def manifest_of(data: bytes, kind: type) -> object:
    found = oci.read_manifest(data, "", "it")
    if not isinstance(found, kind):
        raise Refused("of the other kind")
    return found


def read(document: Any, media_type: str = "") -> Any:
    return oci.read_manifest(json.dumps(document).encode(), media_type, "it")


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [above] if above else []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        found += places(inner, (*above, key))
    return found


@st.composite
def mutated(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """The document with up to three of its values replaced, taken out, or put in by a name that means something elsewhere."""
    result = copy.deepcopy(document)
    for _unused in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(places(result) or [("x",)]))
        at: Any = result
        for key in path[:-1]:
            at = at[key]
        what = draw(st.sampled_from(["replace", "remove", "add"]))
        name = draw(st.sampled_from(["manifests", "layers", "config", "fsLayers", "other"]))
        junk = copy.deepcopy(draw(st.sampled_from(JUNK)))
        if what == "add":
            result[name] = junk
        elif what == "remove" and (isinstance(at, list) or path[-1] in at):
            del at[path[-1]]
        else:
            at[path[-1]] = junk
    return result


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_parsers_and_schemas_agree(kind: str, data: st.DataObject) -> None:
    document, parse = KINDS[kind]
    schema = json.loads((SCHEMAS / f"{kind}.json").read_text())
    given_document = data.draw(mutated(document))
    valid = jsonschema.Draft202012Validator(schema).is_valid(given_document)
    try:
        parse(json.dumps(given_document).encode())
        accepted = True
    except Refused:
        accepted = False
    assert accepted == valid, given_document


def test_what_is_read_is_what_was_written() -> None:
    manifest = read(MANIFEST)
    assert (manifest.config.digest, manifest.media_type) == (DIGEST, mediatypes.MANIFEST)
    assert [item.media_type for item in manifest.layers] == [
        mediatypes.LAYER_GZIP,
        mediatypes.LAYER,
        mediatypes.LAYER_ZSTD,
    ]
    index = read(INDEX)
    assert index.manifests[0].platform == {"os": "linux", "architecture": "arm64", "variant": "v8"}
    config = oci.read_config(json.dumps(CONFIG).encode(), "it")
    assert (config.os, config.variant, config.diff_ids) == ("linux", "v8", (DIGEST, OTHER))
    assert config.config["Env"] == ["A=b"]


def test_dockers_own_types_are_read() -> None:
    document = {
        "schemaVersion": 2,
        "mediaType": mediatypes.DOCKER_MANIFEST,
        "config": descriptor(mediatypes.DOCKER_CONFIG),
        "layers": [descriptor(mediatypes.DOCKER_GZIP)],
    }
    assert read(document, mediatypes.DOCKER_MANIFEST).media_type == mediatypes.DOCKER_MANIFEST
    assert isinstance(read({"schemaVersion": 2, "mediaType": mediatypes.DOCKER_LIST, "manifests": []}), oci.Index)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"schemaVersion": 1}, "schema 1"),
        ({"fsLayers": []}, "schema 1"),
        ({"manifests": []}, "at once"),
        ({"mediaType": mediatypes.INDEX}, "no image manifest"),
        ({"layers": [descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip")]}, "foreign"),
        ({"layers": [descriptor(f"{DOCKER}image.rootfs.foreign.diff.tar.gzip", urls=["http://x/"])]}, "foreign"),
        ({"layers": [descriptor(mediatypes.LAYER)] * 501}, "501 layers"),
        ({"layers": [descriptor(mediatypes.LAYER, size=True)]}, "size"),
        ({"layers": [descriptor(mediatypes.LAYER, size=-1)]}, "size"),
        ({"layers": [descriptor(mediatypes.LAYER, "sha256:../../etc/passwd")]}, "no sha256"),
        ({"layers": [descriptor(mediatypes.LAYER, "sha512:" + "a" * 128)]}, "no sha256"),
        ({"config": descriptor("application/vnd.example.chart")}, "no image"),
        ({"config": descriptor(mediatypes.CONFIG, size=5 << 20)}, "4194304"),
    ],
)
def test_what_no_image_is_gets_a_sentence(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(Refused, match=word):
        read({**MANIFEST, **changes})


def test_five_hundred_layers_are_read() -> None:
    assert len(read({**MANIFEST, "layers": [descriptor(mediatypes.LAYER)] * 500}).layers) == 500


def test_a_type_that_came_with_it_must_be_its_own() -> None:
    with pytest.raises(Refused, match="says that it is"):
        read(MANIFEST, mediatypes.INDEX)
    with pytest.raises(Refused, match="schema 1"):
        read(MANIFEST, f"{DOCKER}distribution.manifest.v1+prettyjws")


@pytest.mark.parametrize(
    ("good", "bad"), [(b'"os"', b'"os":"linux","os"'), (b'"created_by": "a"', b'"a": "\\ud800"'), (b'"sh"', b'"\xff"')]
)
def test_texts_that_two_readers_take_differently_are_refused(good: bytes, bad: bytes) -> None:
    data = json.dumps(CONFIG).encode()
    assert oci.read_config(data, "it")
    assert good in data
    with pytest.raises(Refused):
        oci.read_config(data.replace(good, bad, 1), "it")


def index(*wanted: str) -> oci.Index:
    entries = [
        descriptor(
            mediatypes.MANIFEST,
            f"sha256:{number:064x}",
            platform=dict(zip(("os", "architecture", "variant"), name.split("/"), strict=False)),
        )
        for number, name in enumerate(wanted)
    ]
    found = read({"schemaVersion": 2, "manifests": entries})
    assert isinstance(found, oci.Index)
    return found


@pytest.mark.parametrize(
    ("there", "wanted", "number"),
    [
        (("linux/amd64", "linux/arm64/v8"), "linux/arm64", 1),
        (("linux/arm64",), "linux/arm64/v8", 0),
        (("linux/arm/v6", "linux/arm/v7"), "linux/arm/v7", 1),
        (("linux/arm/v5", "linux/arm/v6"), "linux/arm", 1),
        (("unknown/unknown", "linux/amd64"), "linux/x86_64", 1),
        (("linux/amd64", "linux/amd64"), "amd64", 0),
        (("windows/amd64", "linux/amd64"), "linux/amd64", 1),
    ],
)
def test_the_nearest_platform_is_chosen(there: tuple[str, ...], wanted: str, number: int) -> None:
    assert platforms.choose(index(*there), wanted).digest == f"sha256:{number:064x}"


@pytest.mark.parametrize(("there", "wanted"), [(("linux/arm/v7",), "linux/arm/v6"), (("linux/amd64",), "linux/s390x")])
def test_a_platform_that_is_not_there_is_named(there: tuple[str, ...], wanted: str) -> None:
    with pytest.raises(NotFound, match=there[0]):
        platforms.choose(index(*there), wanted)


@pytest.mark.parametrize("text", ["", "linux/", "/amd64", "a/b/c/d", "linux/amd 64"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(EngineError, match="platform"):
        platforms.parse(text)
