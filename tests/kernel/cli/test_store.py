# SPDX-License-Identifier: GPL-3.0-or-later
"""By hand: names, pruning, what the disk is used for, and whether the store is whole."""

from __future__ import annotations

import json
import os
import pathlib

from .conftest import Berth


def make(berth: Berth, tmp_path: pathlib.Path, name: str, *labels: str) -> None:
    tree = tmp_path / name
    tree.mkdir()
    (tree / "file").write_bytes(name.encode() * 3000)
    berth.ok("import", str(tree), name, *(word for label in labels for word in ("--label", label)))


def test_tag_and_prune(berth: Berth, tmp_path: pathlib.Path) -> None:
    make(berth, tmp_path, "one", "team=web")
    make(berth, tmp_path, "two")
    assert berth.ok("tag", "one", "again:2") == ""
    assert "again" in berth.ok("images")
    assert berth("tag", "nobody", "x").returncode == 66
    assert berth("tag", "one").returncode == 64
    dry = berth.ok("prune", "--all", "--filter", "label=team=web", "--dry-run")
    assert "image one:latest" in dry and "would be freed" in dry
    assert "image two:latest" not in dry
    assert "one" in berth.ok("images")
    done = berth.ok("prune", "-a", "--filter", "label=team")
    assert done == dry.replace("would be freed", "freed")
    assert "again" not in berth.ok("images")
    assert berth.ok("prune", "--all", "--until", "24h").strip() == "0B freed"
    for wrong in (("--filter", "name=x"), ("--filter", "until=x"), ("--until", "yesterday"), ("extra",)):
        assert berth("prune", *wrong).returncode == 64
    berth.ok("rmi", "two")


def test_system(berth: Berth, tmp_path: pathlib.Path) -> None:
    make(berth, tmp_path, "one")
    table = berth.ok("system", "df")
    assert "one:latest" in table and "could come free" in table
    found = json.loads(berth.ok("system", "df", "--format", "json"))
    assert found["totals"]["images"]["count"] == len(found["images"])
    assert "nothing damaged" in berth.ok("system", "check")
    assert berth.ok("system", "dedupe", "--dry-run").endswith("would be freed\n")
    (image,) = [item for item in json.loads(berth.ok("images", "--format", "json")) if item["name"] == "one:latest"]
    path = next(pathlib.Path(berth.paths.root).glob(f"layers/{image['layers'][0][7:]}/diff/file"))
    path.write_bytes(b"spoilt")
    told = berth("system", "check")
    assert told.returncode == 76
    assert b"'file'" in told.stdout and b"one:latest" in told.stdout
    assert "was unpacked again" in berth.ok("system", "check", "--repair")
    assert path.read_bytes() == b"one" * 3000
    assert "damaged layer" not in berth.ok("system", "check")
    assert "damaged " in berth.ok("prune", "--damaged")
    assert os.listdir(f"{berth.paths.root}/damaged") == []
    assert berth("system", "nothing").returncode == 64
    assert berth("system", "df", "--format", "xml").returncode == 64
    berth.ok("rmi", "one")
