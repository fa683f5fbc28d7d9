# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of every module are run as they are printed."""

from __future__ import annotations

import importlib
import pathlib

import pytest
import yaml

from .conftest import ROOT, World

MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(world: World, name: str, tmp_path: pathlib.Path) -> None:
    module = importlib.import_module(f"ansible_collections.berth.containers.plugins.modules.{name}")
    run = world.play(yaml.safe_load(module.EXAMPLES)).ok()
    assert run.lines
    left = world.run("container_info", {})["containers"]
    assert [entry["name"] for entry in left] == []
    assert world.run("container_image_info", {})["images"] == []
