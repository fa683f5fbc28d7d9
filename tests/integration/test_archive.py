# SPDX-License-Identifier: GPL-3.0-or-later
"""An archive on the controller: exact beforehand, once, only the layers that the host lacks, and nothing stays on the way."""

from __future__ import annotations

import gzip
import io
import json
import os
import pathlib
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.berth.containers.tests.kernel.registry.servers import an_image, an_index, digest_of

from .conftest import Ansible, Run, World
from .test_connections import ENVIRONMENT, USER, Server, server

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["server"]
NAME = "app:1"
KINDS = ("oci-archive", "oci-dir", "docker-archive", "oci-archive.gz")


class Shelf:
    """The image NAME of two layers in archives of the controller, and how to load one of them."""

    def __init__(self, ansible: Ansible, home: pathlib.Path, digest: str) -> None:
        self.ansible, self.home, self.digest = ansible, home, digest

    def load(
        self, root: pathlib.Path, kind: object, *arguments: str, host: dict[str, Any] | None = None, **options: Any
    ) -> Run:
        """One task. Within the play, for Ansible cleans up at its end, nothing may be left where things lay on the way."""
        local = self.ansible.scratch / "temporary"
        local.mkdir(exist_ok=True)
        given = {"name": NAME, "archive": str(kind), "remote_src": False, "root": str(root), **options}
        task = {"name": "load", "berth.containers.container_image": given}
        find = f"find {local} /root/.ansible/tmp {self.home} -name *image*.tar -newer {self.home}/mark"
        look = {"name": "look", "ansible.builtin.command": find, "check_mode": False, "delegate_to": "localhost"}
        (self.home / "mark").touch()
        play = {
            "hosts": "here",
            "gather_facts": False,
            "tasks": [{"block": [task], "always": [{**look, "failed_when": False}]}],
        }
        run = self.ansible.play(
            [], "--diff", *arguments, playbook=[play],
            inventory=self.ansible.inventory({"here": host or {"ansible_connection": "local"}}),
            environment={**ENVIRONMENT, "ANSIBLE_LOCAL_TEMP": str(local), "ANSIBLE_PLAYBOOK_DIR": str(self.home)},
        )  # fmt: skip
        assert run["look"]["stdout"] == ""
        return run


@pytest.fixture(scope="module")
def shelf(ansible: Ansible, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    home = tmp_path_factory.mktemp("shelf")
    world = World(ansible, home / "source")
    try:
        world.run("container_image", {"name": "base", "bootstrap": "busybox"})
        world.run(
            "container",
            {"name": "m", "image": "base", "command": ["sleep", "60"], "network_mode": "none", "stop_timeout": "1s"},
        )
        world.run("container_exec", {"container": "m", "command": ["sh", "-c", "echo one > /etc/motd"]})
        digest = world.run("container_commit", {"container": "m", "name": NAME})["image"]["digest"]
        world.run("container", {"name": "m", "state": "absent"})
        for kind in KINDS[:3]:
            world.run("container_image_export", {"name": NAME, "path": str(home / kind), "format": kind})
        world.run("container_image_export", {"name": "base", "path": str(home / "base"), "format": "oci-archive"})
        (home / KINDS[3]).write_bytes(gzip.compress((home / KINDS[0]).read_bytes(), 1))
        yield Shelf(ansible, home, digest)
    finally:
        world.clear()


@pytest.fixture
def target(ansible: Ansible, tmp_path: pathlib.Path) -> Iterator[World]:
    world = World(ansible, tmp_path / "state")
    world.run("container_image_info", {})
    try:
        yield world
    finally:
        world.clear()


def test_the_order_of_a_load(shelf: Shelf, target: World) -> None:
    before = target.census()
    predicted = shelf.load(target.root, shelf.home / KINDS[0], "--check").ok()["load"]
    assert target.census() == before
    made = shelf.load(target.root, shelf.home / KINDS[0]).ok()["load"]
    assert predicted["changed"] and made["changed"] and predicted["diff"] == made["diff"]
    assert made["diff"]["before"] == {"name": NAME, "state": "absent"}
    assert made["image"]["digest"] == shelf.digest
    after = target.census()
    again = shelf.load(target.root, shelf.home / KINDS[0]).ok()["load"]
    assert not again["changed"] and again["image"]["digest"] == shelf.digest
    assert target.census() == after


def test_every_kind_of_archive(shelf: Shelf, target: World) -> None:
    """One after the other in one play: check, run, run again, check again, absent."""
    steps = (("foretold", True), ("made", False), ("again", False), ("foretold-again", True), ("absent", False))
    tasks = []
    for kind in KINDS:
        given = {"name": NAME, "archive": str(shelf.home / kind), "remote_src": False}
        for step, check in steps:
            state = {"state": "absent"} if step == "absent" else {}
            tasks.append(
                {"name": f"{kind} {step}", "berth.containers.container_image": {**given, **state}, "check_mode": check}
            )
    run = target.play(tasks).ok()
    assert run.changed == [f"{kind} {step}" for kind in KINDS for step in ("foretold", "made", "absent")]
    assert [run[f"{kind} made"]["image"]["digest"] for kind in KINDS] == [shelf.digest] * len(KINDS)


def test_only_what_is_missing_goes(shelf: Shelf, target: World, tmp_path: pathlib.Path) -> None:
    """Whoever asked for the layer that is there would not get it: here the archive has it no more."""
    assert shelf.load(target.root, shelf.home / "base", name="base").ok()["load"]["changed"]
    layout = tmp_path / "thin"
    (layout / "blobs/sha256").mkdir(parents=True)
    manifest = json.loads((shelf.home / "oci-dir/blobs/sha256" / shelf.digest[7:]).read_bytes())
    below = manifest["layers"][0]["digest"][7:]
    for path in (shelf.home / "oci-dir").rglob("*"):
        if path.is_file() and path.name != below:
            (layout / path.relative_to(shelf.home / "oci-dir")).write_bytes(path.read_bytes())
    assert shelf.load(target.root, layout).ok()["load"]["image"]["digest"] == shelf.digest
    # By another name all is there.
    (layout / "blobs/sha256" / manifest["layers"][1]["digest"][7:]).unlink()
    assert shelf.load(target.root, layout, name="again").ok()["load"]["changed"]


def test_a_plain_layer_is_a_root(shelf: Shelf, target: World, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "layer.tar"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("hello")
        member.size = 2
        tar.addfile(member, io.BytesIO(b"hi"))
    for changed in (True, False):
        assert shelf.load(target.root, path, command=["/hello"]).ok()["load"]["changed"] is changed


def test_an_archive_for_several_machines(shelf: Shelf, target: World, tmp_path: pathlib.Path) -> None:
    """The host says what it is; one that is not in the archive is no more than named there."""
    images = {name: an_image(name.encode(), architecture=name) for name in ("amd64", "arm64", "riscv64")}
    index = an_index(images)
    (tmp_path / "several/blobs/sha256").mkdir(parents=True)
    blobs = [
        index,
        *(data for name in ("amd64", "arm64") for data in (images[name].manifest, *images[name].blobs.values())),
    ]
    for data in blobs:
        (tmp_path / "several/blobs/sha256" / digest_of(data)[7:]).write_bytes(data)
    (tmp_path / "several/oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    line = {"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest_of(index), "size": len(index)}
    (tmp_path / "several/index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [line]}))
    for name in ("amd64", "arm64"):
        made = shelf.load(target.root, tmp_path / "several", platform=f"linux/{name}").ok()["load"]
        assert made["changed"] and made["image"]["digest"] == images[name].digest
    (failure,) = shelf.load(target.root, tmp_path / "several", platform="linux/riscv64").failures
    assert "is not where the image comes from" in failure


def test_what_is_spoilt_is_refused_and_nothing_stays(shelf: Shelf, target: World, tmp_path: pathlib.Path) -> None:
    data = (shelf.home / "oci-archive").read_bytes()
    at = data.rindex(b"one\n")
    spoilt = {"another content": data[:at] + b"two\n" + data[at + 4 :], "is cut": data[: at + 2]}
    before = set(target.census())
    for words, content in spoilt.items():
        (tmp_path / "bad.tar").write_bytes(content)
        (failure,) = shelf.load(target.root, tmp_path / "bad.tar").failures
        assert words in failure
    assert set(target.census()) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"archive": "nothing.tar"}, "nothing.tar"),
        ({"archive_reference": "other"}, "on the controller: archive"),
        ({"labels": {"a": "b"}}, "config options need"),
        ({"rootfs": "/etc"}, "mutually exclusive"),
    ],
    ids=["not-there", "no-such", "options", "rivals"],
)
def test_what_can_not_be(shelf: Shelf, options: dict[str, Any], words: str) -> None:
    (failure,) = shelf.load(shelf.home / "source", shelf.home / "oci-archive", "--check", **options).failures
    assert words in failure


@pytest.mark.parametrize("pipelining", [False, True])
def test_by_a_user_who_becomes_root(shelf: Shelf, server: Server, target: World, pipelining: bool) -> None:
    host = server.host(USER, ansible_become=True, ansible_become_method="su", ansible_pipelining=pipelining)
    for changed in (True, False):
        assert shelf.load(target.root, shelf.home / "oci-archive", host=host).ok()["load"]["changed"] is changed
    assert not list((server.home / "guest").rglob("*.tar"))
    assert os.listdir(target.paths.staging) == []
