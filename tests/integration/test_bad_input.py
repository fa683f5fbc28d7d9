# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input is answered with one sentence that names the thing, and nothing is half made."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import pytest

from .conftest import World


@pytest.fixture(scope="module", autouse=True)
def base(world: World) -> None:
    world.run("container_image", {"name": "base", "bootstrap": "busybox"})
    # The first start chooses the network's addresses, for good.
    world.run("container", {"name": "first", "image": "base", "command": ["true"]})
    world.run("container", {"name": "first", "state": "absent"})


def refused(world: World, module: str, options: dict[str, Any], *words: str) -> str:
    before = files(world)
    run = world.attempt(module, options)
    assert run.status != 0
    (failure,) = run.failures
    assert "Traceback" not in run.output
    for word in words:
        assert word in failure
    assert files(world) == before
    return failure


def files(world: World) -> dict[str, object]:
    """The state without the times of directories: something may have come and gone in them."""
    return {path: facts for path, facts in world.census().items() if not os.path.isdir(path)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "a", "image": "nowhere"}, ["nowhere"]),
        ({"name": "a", "image": "No/Such//Name:::"}, ["No/Such//Name:::"]),
        ({"name": "a/b", "image": "base"}, ["a/b"]),
        ({"name": "..", "image": "base"}, [".."]),
        ({"name": "x" * 300, "image": "base"}, ["300 characters"]),
        ({"name": "a", "image": "base", "memory": "lots"}, ["memory", "lots"]),
        ({"name": "a", "image": "base", "memory": "1"}, ["memory"]),
        ({"name": "a", "image": "base", "volumes": ["/no/such/source:/data"]}, ["/no/such/source"]),
        ({"name": "a", "image": "base", "command": "unclosed 'quote"}, ["command"]),
        ({"name": "a", "image": "base", "command": ["no-such-program"]}, ["no-such-program"]),
        ({"name": "a", "image": "base", "command": ["/etc/passwd"]}, ["/etc/passwd"]),
        ({"name": "a", "image": "base", "cap_add": ["FLY"]}, ["FLY"]),
        ({"name": "a"}, ["image"]),
    ],
    ids=lambda value: "-".join(map(str, value.values()))[:40] if isinstance(value, dict) else "",
)
def test_a_container(world: World, options: dict[str, Any], words: list[str]) -> None:
    refused(world, "container", options, *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "x y", "bootstrap": "busybox"}, ["x y"]),
        ({"name": "a", "rootfs": "/no/such/rootfs"}, ["/no/such/rootfs"]),
        ({"name": "a", "rootfs": "/etc/passwd"}, ["/etc/passwd"]),
        ({"name": "a", "rootfs": "/etc/passwd", "checksum": "0" * 64}, ["is not the file with checksum"]),
        ({"name": "a", "rootfs": "/r", "bootstrap": "busybox"}, ["mutually exclusive"]),
        ({"name": "a"}, ["a"]),
    ],
    ids=lambda value: "-".join(map(str, value.values()))[:40] if isinstance(value, dict) else "",
)
def test_an_image(world: World, options: dict[str, Any], words: list[str]) -> None:
    refused(world, "container_image", options, *words)


def test_a_rootfs_that_the_controller_lacks(world: World) -> None:
    options = {"name": "a", "rootfs": "no/such/file.tar", "remote_src": False}
    refused(world, "container_image", options, "no/such/file.tar")


def test_a_commit_of_an_unknown_container(world: World) -> None:
    refused(world, "container_commit", {"container": "nobody", "name": "a"}, "nobody")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"container": "nobody", "command": "true"}, "nobody"),
        ({"container": "nobody", "command": []}, "nothing to run"),
        ({"container": "nobody", "command": "unclosed 'quote"}, "no closing quotation"),
        ({"container": "nobody"}, "one of the following is required"),
    ],
)
def test_an_exec(world: World, options: dict[str, Any], word: str) -> None:
    refused(world, "container_exec", options, word)


def test_a_faulty_environment_reaches_no_host(world: World, tmp_path: pathlib.Path) -> None:
    document = {
        "root": str(tmp_path / "untouched"),
        "images": [{"name": "base", "bootstrap": "windows"}],
        "containers": [{"name": "../up"}, {"name": "web", "memory": "lots", "colour": "red"}],
    }
    failure = refused(world, "environment", document)
    assert failure.splitlines()[1:] == [
        "containers[0].name: '../up' is not a name: letters, digits, _ . - and a letter or digit first, at most 128",
        "containers[1]: unknown option 'colour'",
        "containers[1].memory: 'lots' is not a size: a number and a unit, such as 64M or 1.5G",
        "images[0].bootstrap: 'windows' is not one of ['busybox', 'debootstrap']",
    ]
    assert not (tmp_path / "untouched").exists()
