# SPDX-License-Identifier: GPL-3.0-or-later
"""An image goes from one host to another by way of the controller: exact beforehand, once, only what is missing, and nothing stays."""

from __future__ import annotations

import json
import os
import pathlib
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import Ansible, Run, World

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "app:1"


class Pair:
    """Two hosts with roots of their own on this machine: `web1` has the image NAME of two layers, `web2` has none."""

    def __init__(self, ansible: Ansible, source: World, target: World) -> None:
        self.ansible, self.source, self.target = ansible, source, target
        self.temporary = ansible.scratch / "temporary"
        hosts = {name: {"ansible_connection": "local"} for name in ("web1", "web2")}
        self.inventory = ansible.inventory(hosts)

    def copy(self, *arguments: str, **options: Any) -> Run:
        given = {
            "name": NAME,
            "source_host": "web1",
            "source_root": str(self.source.root),
            "root": str(self.target.root),
            **options,
        }
        task = {"name": "copy", "berth.containers.container_image": given}
        # Ansible removes its temporary directory as it ends: what a task leaves there is seen from within the play.
        look = {
            "name": "look",
            "ansible.builtin.command": f"find {self.temporary} -name *image*.tar",
            "check_mode": False,
        }
        play = {"hosts": "web2", "gather_facts": False, "tasks": [{"block": [task], "always": [look]}]}
        own = {"ANSIBLE_LOCAL_TEMP": str(self.temporary)}
        self.temporary.mkdir(exist_ok=True)
        run = self.ansible.play([], "--diff", *arguments, playbook=[play], inventory=self.inventory, environment=own)
        assert run["look"]["stdout"] == ""
        return run

    def image(self, world: World) -> dict[str, Any]:
        (found,) = world.run("container_image_info", {"name": [NAME], "documents": True})["images"]
        return dict(found)


@pytest.fixture(scope="module")
def pair(ansible: Ansible, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    home = tmp_path_factory.mktemp("pair")
    worlds = [World(ansible, home / name) for name in ("web1", "web2")]
    try:
        for world in worlds:
            world.run("container_image_info", {})
        source = worlds[0]
        source.run("container_image", {"name": "base", "bootstrap": "busybox"})
        grow(source, "echo one > /etc/motd")
        yield Pair(ansible, *worlds)
    finally:
        for world in worlds:
            world.clear()


def grow(world: World, command: str) -> None:
    """Let NAME be `base` and one more layer."""
    idle = {"name": "maker", "image": "base", "command": ["sleep", "60"], "network_mode": "none", "stop_timeout": "1s"}
    world.run("container", idle)
    world.run("container_exec", {"container": "maker", "command": ["sh", "-c", command]})
    world.run("container_commit", {"container": "maker", "name": NAME})
    world.run("container", {"name": "maker", "state": "absent"})


def blobs(world: World) -> set[str]:
    return set(os.listdir(world.paths.blobs))


def test_the_order_of_a_copy(pair: Pair) -> None:
    before = pair.target.census()
    predicted = pair.copy("--check").ok()["copy"]
    assert pair.target.census() == before
    made = pair.copy().ok()["copy"]
    assert predicted["changed"] and made["changed"]
    assert predicted["diff"] == made["diff"]
    assert made["diff"]["before"] == {"name": NAME, "state": "absent"}
    assert pair.image(pair.target)["digest"] == pair.image(pair.source)["digest"] == made["image"]["digest"]
    assert pair.image(pair.target)["documents"] == pair.image(pair.source)["documents"]
    after = pair.target.census()
    for arguments in ((), ("--check",)):
        again = pair.copy(*arguments).ok()["copy"]
        assert not again["changed"] and again["diff"]["before"] == again["diff"]["after"]
        assert again["image"]["digest"] == made["image"]["digest"]
    assert pair.target.census() == after
    said = pair.target.run(
        "container", {"name": "is", "image": NAME, "command": ["cat", "/etc/motd"], "network_mode": "none"}
    )
    assert said["changed"]
    pair.target.run("container", {"name": "is", "state": "absent"})


def test_only_what_is_missing_goes(pair: Pair) -> None:
    pair.copy().ok()
    grow(pair.source, "echo two > /etc/motd")
    missing = blobs(pair.source) - blobs(pair.target)
    base, top = (item["digest"] for item in json.loads(pair.image(pair.source)["documents"]["manifest"])["layers"])
    assert f"{top}".removeprefix("sha256:") in missing and base.removeprefix("sha256:") not in missing
    # Whoever asked for the layer that is there would not get it: the source's copy is another's by now.
    path = pathlib.Path(pair.source.paths.blobs, base.removeprefix("sha256:"))
    good = path.read_bytes()
    path.write_bytes(b"\0" * len(good))
    try:
        assert pair.copy().ok()["copy"]["changed"]
    finally:
        path.write_bytes(good)
    assert pair.image(pair.target)["digest"] == pair.image(pair.source)["digest"]


def test_what_the_source_spoilt_is_refused(pair: Pair) -> None:
    grow(pair.source, "echo three > /etc/motd")
    top = json.loads(pair.image(pair.source)["documents"]["manifest"])["layers"][-1]["digest"].removeprefix("sha256:")
    path = pathlib.Path(pair.source.paths.blobs, top)
    good, before = path.read_bytes(), set(pair.target.census())
    path.write_bytes(good.replace(b"three", b"thref"))
    try:
        (failure,) = pair.copy().failures
    finally:
        path.write_bytes(good)
    assert f"sha256:{top[:12]}" in failure
    assert set(pair.target.census()) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"source_host": "nowhere"}, "source_host: 'nowhere' is no host of the inventory"),
        ({"name": "other:1"}, "host web1 has no image 'other:1'"),
        ({"bootstrap": "busybox"}, "source_host and bootstrap exclude each other"),
        ({"name": f"{NAME}@sha256:{'0' * 64}"}, "host web1 has no image"),
        ({"name": "A"}, "host web1: image name 'A'"),
    ],
    ids=["no-host", "no-image", "rivals", "another-digest", "no-name"],
)
def test_a_copy_that_can_not_be(pair: Pair, options: dict[str, Any], words: str) -> None:
    before = pair.target.census()
    for arguments in ((), ("--check",)):
        (failure,) = pair.copy(*arguments, **options).failures
        assert words in failure
    assert pair.target.census() == before


def test_a_host_copies_from_itself_what_it_has(pair: Pair) -> None:
    """So that a play may feed a whole group of which the source is one."""
    play = pair.copy(root=str(pair.source.root)).ok()
    assert not play["copy"]["changed"]


def test_absent_asks_no_other_host(pair: Pair) -> None:
    pair.copy().ok()
    assert pair.copy(state="absent", source_host="nowhere").ok()["copy"]["changed"]
    assert not pair.copy(state="absent", source_host="nowhere").ok()["copy"]["changed"]
