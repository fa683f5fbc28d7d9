# SPDX-License-Identifier: GPL-3.0-or-later
"""The index carries a seal: a bit turned anywhere in it is found, and other tools' indexes are not suspected."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine import mediatypes
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Damaged
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.storage import layout

DESCRIPTORS: list[dict[str, Any]] = [
    {
        "mediaType": mediatypes.MANIFEST,
        "digest": f"sha256:{'ab' * 32}",
        "size": 7,
        "annotations": {layout.NAME: "base:latest"},
    }
]


@pytest.fixture
def index(tmp_path: pathlib.Path) -> pathlib.Path:
    layout.write_index(Paths(str(tmp_path)), DESCRIPTORS)
    return tmp_path / "index.json"


def is_sound(index: pathlib.Path) -> bool:
    try:
        return layout.is_sealed(Paths(str(index.parent)))
    except Damaged:
        return False


def test_what_was_written_is_sealed(index: pathlib.Path) -> None:
    assert is_sound(index)
    assert layout.read_index(Paths(str(index.parent))) == DESCRIPTORS


def test_every_turned_bit_is_found(index: pathlib.Path) -> None:
    data = index.read_bytes()
    for at in range(len(data)):
        index.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
        assert not is_sound(index), data[max(at - 20, 0) : at + 20]


def test_every_cut_is_found(index: pathlib.Path) -> None:
    data = index.read_bytes()
    for length in range(len(data)):
        index.write_bytes(data[:length])
        assert not is_sound(index), length


@pytest.mark.parametrize("indent", [None, 2])
def test_an_index_by_another_tool(index: pathlib.Path, indent: int | None) -> None:
    document = json.loads(index.read_text())
    index.write_text(json.dumps({"schemaVersion": 2, "manifests": document["manifests"]}, indent=indent))
    assert is_sound(index)
    index.write_text(json.dumps({**document, "schemaVersion": 2}, indent=3))
    assert is_sound(index)
