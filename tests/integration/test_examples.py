# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of every module are run as they are printed; their registry is one of the tests' own by another name."""

from __future__ import annotations

import importlib
import pathlib
from typing import TYPE_CHECKING

import pytest
import yaml

from ansible_collections.berth.containers.tests.kernel.registry.servers import (
    PASSWORD,
    USER,
    docker_registry,
    htpasswd,
)

from .conftest import ROOT, World

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
REGISTRY = "registry.example.org"


@pytest.fixture(scope="module")
def registry(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """It has the image team/base:1.2, and knows one user; its host:port."""
    home = tmp_path_factory.mktemp("registry")
    with docker_registry(home / "registry", auth=htpasswd(home)) as name:
        login = {"registry_username": USER, "registry_password": PASSWORD}
        world.run("container_image", {"name": "base", "bootstrap": "busybox"})
        world.run("container_image_push", {"name": "base", "destination": f"{name}/team/base:1.2", **login})
        world.run("container_image", {"name": "base", "state": "absent"})
        yield name


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(world: World, name: str, tmp_path: pathlib.Path, request: pytest.FixtureRequest) -> None:
    module = importlib.import_module(f"ansible_collections.berth.containers.plugins.modules.{name}")
    text = module.EXAMPLES
    if REGISTRY in text:
        text = text.replace(REGISTRY, request.getfixturevalue("registry"))
    own = {"DOCKER_CONFIG": str(tmp_path / "docker")}
    run = world.play(yaml.safe_load(text), environment=own, registry_password=PASSWORD).ok()
    assert run.lines
    left = world.run("container_info", {})["containers"]
    assert [entry["name"] for entry in left] == []
    assert world.run("container_image_info", {})["images"] == []
