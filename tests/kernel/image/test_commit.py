# SPDX-License-Identifier: GPL-3.0-or-later
"""Commits of what a real overlay holds: the new image shows what the container saw, and shows it under one digest everywhere."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Conflict, InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.image.commit import (
    Commit,
    CommitSpec,
    plan_commit,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.image.converge import container_image
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import (
    Image,
    read_document,
    resolve,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.blobs import path_of
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.layers import from_tar
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.limits import Limits
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.staging import Staging
from ansible_collections.berth.containers.tests.kernel.storage.trees import (
    CAPABILITY,
    facts,
    ledger,
    make_tree,
    overlay,
    state,
)
from ansible_collections.berth.containers.tests.unit.storage.tars import read

IGNORE = (b"etc", b"etc/hosts", b"proc", b"dir/mounted", b"dir/empty/point")


class Host:
    """A state root with one base image, and a container of it that is only an overlay."""

    def __init__(self, home: pathlib.Path, paths: Paths) -> None:
        self.home, self.paths = str(home), paths
        os.mkdir(f"{home}/scratch")
        self.upper = f"{home}/upper"

    def base(self, tree: str) -> Image:
        container_image(self.paths, {"name": "base", "rootfs": tree, "command": "sh"}, check=False)
        return resolve(self.paths, "base")

    def change(self, image: Image, act: Callable[[str], object]) -> dict[bytes, tuple[object, ...]]:
        """Do something in the container; what it saw at the end, its times as a commit keeps them."""
        if not os.path.isdir(self.upper):
            shutil.copytree(image.layers[0], self.upper, ignore=lambda _d, names: names)
        with overlay(f"{self.home}/scratch", image.layers, self.upper) as merged:
            act(merged)
            return facts(merged, times=False)

    def shown(self, image: Image) -> dict[bytes, tuple[object, ...]]:
        with overlay(f"{self.home}/scratch", image.layers) as merged:
            return facts(merged, times=False)

    def commit(self, image: Image, name: str = "made", previous: Commit | None = None, **fields: Any) -> Commit:
        """Check, then do; the prediction is exact and writes nothing."""
        before = ledger(self.paths.root)
        kept = previous.previous if previous else None
        spec = CommitSpec(name=name, **fields)
        with plan_commit(
            self.paths, base=image, upper=self.upper, ignore=IGNORE, previous=kept, spec=spec, check=True
        ) as predicted:
            pass
        assert ledger(self.paths.root) == before
        with plan_commit(
            self.paths, base=image, upper=self.upper, ignore=IGNORE, previous=kept, spec=spec, check=False
        ) as made:
            made.plan.apply()
        assert (made.digest, made.layer, made.plan.changed) == (
            predicted.digest,
            predicted.layer,
            predicted.plan.changed,
        )
        assert (made.plan.before, made.plan.after) == (predicted.plan.before, predicted.plan.after)
        assert os.listdir(self.paths.staging) == []
        return made

    def members(self, commit: Commit) -> list[bytes]:
        if not commit.layer:
            return []
        return [entry.path for entry, _unused in read(pathlib.Path(path_of(self.paths, commit.layer)).read_bytes())]


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Iterator[Host]:
    with state(str(tmp_path / "state")) as paths:
        yield Host(tmp_path, paths)


@pytest.fixture
def other(tmp_path: pathlib.Path) -> Iterator[Host]:
    (tmp_path / "second").mkdir()
    with state(str(tmp_path / "second/state")) as paths:
        yield Host(tmp_path / "second", paths)


@pytest.fixture
def image(host: Host, tmp_path: pathlib.Path) -> Image:
    make_tree(str(tmp_path / "tree"), with_socket=False)
    os.makedirs(tmp_path / "tree/many/sub")
    for number in range(5):
        (tmp_path / f"tree/many/f{number}").write_text(str(number))
    (tmp_path / "tree/many/sub/inner").write_text("inner")
    return host.base(str(tmp_path / "tree"))


def everything(merged: str) -> None:
    """What containers do to files, and what overlayfs keeps in its own ways."""
    with open(f"{merged}/dir/plain", "ab") as file:
        file.write(b"more")
    os.unlink(f"{merged}/many/f1")
    shutil.rmtree(f"{merged}/many/sub")
    os.mkdir(f"{merged}/many/sub")  # opaque
    pathlib.Path(merged, "many/sub/new").write_text("new")
    os.unlink(f"{merged}/many/f2")
    os.mkdir(f"{merged}/many/f2")  # a directory where a file was
    shutil.rmtree(f"{merged}/sticky")
    pathlib.Path(merged, "sticky").write_text("a file where a directory was")
    os.rename(f"{merged}/many/f3", f"{merged}/renamed")
    shutil.copytree(f"{merged}/private", f"{merged}/private2")
    os.mkdir(f"{merged}/fresh", 0o711)
    os.chown(f"{merged}/fresh", 1000, 1001)
    pathlib.Path(merged, "fresh/a").write_text("a")
    os.link(f"{merged}/fresh/a", f"{merged}/fresh/b")
    os.link(f"{merged}/fresh/a", f"{merged}/dir/c")
    os.symlink("nowhere", f"{merged}/fresh/dangling")
    os.setxattr(f"{merged}/fresh/a", "user.k", b"v")
    os.setxattr(f"{merged}/fresh", "trusted.k", b"w")
    pathlib.Path(merged, "fresh/tool").write_text("#!")
    os.chmod(f"{merged}/fresh/tool", 0o4755)
    pathlib.Path(merged, "fresh/capable").write_text("#!")
    os.setxattr(f"{merged}/fresh/capable", "security.capability", CAPABILITY)
    os.mkfifo(f"{merged}/fresh/fifo")
    os.mknod(f"{merged}/fresh/node", stat.S_IFCHR | 0o600, os.makedev(5, 1))
    os.chmod(f"{merged}/setuid", 0o700)
    os.chown(f"{merged}/attributed", 3, 4)
    os.chmod(f"{merged}/dir/empty", 0o700)
    os.setxattr(f"{merged}/capable", "user.note", b"x")
    with open(f"{merged}/fresh/holes", "wb") as file:
        file.truncate(16 << 20)
    raw = os.fsencode(merged)
    os.rename(raw + b"/n\xc3\xb6n-\xff-utf8\nline", raw + b"/fresh/\xfe")


def test_the_image_shows_what_the_container_saw(host: Host, image: Image) -> None:
    before = facts(image.layers[0])
    seen = host.change(image, everything)
    made = host.commit(image)
    assert made.plan.changed
    new = resolve(host.paths, "made")
    assert new.digest == made.digest
    assert new.layers[1:] == image.layers
    assert host.shown(new) == seen
    assert facts(image.layers[0]) == before
    assert os.stat(f"{new.layers[0]}/fresh/holes").st_blocks == 0
    members = host.members(made)
    assert len(members) == len(set(members))
    assert {b"many/.wh.f1", b"many/.wh.f3", b"many/sub/.wh..wh..opq", b".wh.n\xc3\xb6n-\xff-utf8\nline"} <= set(members)
    assert not {b"big", b"dir/symlink", b"fresh/.wh..wh..opq", b"./"} & set(members)


def test_its_blob_alone_makes_the_same_layer(host: Host, image: Image) -> None:
    host.change(image, everything)
    made = host.commit(image)
    new = resolve(host.paths, "made")
    blob = os.open(path_of(host.paths, made.layer), os.O_RDONLY)
    try:
        with Staging(host.paths, "test") as place:
            again = from_tar(blob, "blob", Limits(), staging=place, lowers=image.layers)
            assert again.digest == made.layer
            assert facts(f"{place.path}/layer/diff") == facts(new.layers[0])
            with overlay(f"{host.home}/scratch", (f"{place.path}/layer/diff", *image.layers)) as merged:
                rebuilt = facts(merged, times=False)
    finally:
        os.close(blob)
    assert rebuilt == host.shown(new)


def test_again_it_is_the_same_and_the_files_are_not_read(host: Host, image: Image) -> None:
    host.change(image, everything)
    time.sleep(0.05)
    first = host.commit(image)
    assert first.previous["fingerprint"]
    again = host.commit(image, previous=first)
    assert (again.digest, again.plan.changed, again.previous) == (first.digest, False, first.previous)
    # Without what was kept, everything is read, and nothing changes either.
    slow = host.commit(image)
    assert (slow.digest, slow.plan.changed) == (first.digest, False)
    # Other names and configs of the same changes share the layer.
    other = host.commit(image, "other:2", previous=first, changes=["ENV A=1"], comment="why", author="me")
    assert (other.layer, other.plan.changed) == (first.layer, True)
    assert len(os.listdir(host.paths.layers)) == 2
    config = read_document(host.paths, resolve(host.paths, "other:2").id)
    assert (config["config"], config["author"]) == ({"Cmd": ["sh"], "Env": ["A=1"]}, "me")
    assert config["history"][-1] == {
        "created": image.created,
        "created_by": "berth commit",
        "author": "me",
        "comment": "why",
    }
    assert config["created"] == image.created


def test_a_change_between_commits_is_noticed(host: Host, image: Image) -> None:
    host.change(image, everything)
    time.sleep(0.05)
    first = host.commit(image)
    host.change(image, lambda merged: pathlib.Path(merged, "fresh/a").write_text("A"))
    second = host.commit(image, previous=first)
    assert second.plan.changed
    assert second.digest != first.digest
    # The first image is nobody's now: its layer is gone.
    assert len(os.listdir(host.paths.layers)) == 2
    host.change(image, lambda merged: os.chmod(f"{merged}/fresh/a", 0o600))
    assert host.commit(image, previous=second).digest != second.digest


def test_a_change_in_the_same_tick_is_not_missed(host: Host, image: Image) -> None:
    host.change(image, lambda merged: pathlib.Path(merged, "x").write_text("1"))
    first = host.commit(image)
    pathlib.Path(host.upper, "x").write_text("2")
    assert host.commit(image, previous=first).digest != first.digest


def test_on_another_host_and_day_it_is_the_same_layer(
    host: Host, other: Host, image: Image, tmp_path: pathlib.Path
) -> None:
    host.change(image, everything)
    first = host.commit(image)
    copy = other.base(str(tmp_path / "tree"))
    assert copy.digest == image.digest
    time.sleep(1.1)
    other.change(copy, everything)
    second = other.commit(copy)
    assert (second.layer, second.digest) == (first.layer, first.digest)


def test_a_container_that_changed_nothing_is_its_image(host: Host, image: Image) -> None:
    host.change(image, lambda merged: None)
    made = host.commit(image)
    assert made.layer == ""
    assert resolve(host.paths, "made").layers == image.layers
    assert read_document(host.paths, made.id)["history"][-1]["empty_layer"] is True


def test_mount_points_that_the_engine_made_are_left_out(host: Host, image: Image) -> None:
    def make_points(merged: str) -> None:
        os.mkdir(f"{merged}/etc")
        pathlib.Path(merged, "etc/hosts").write_text("")
        os.mkdir(f"{merged}/proc")
        os.mkdir(f"{merged}/dir/empty/point")
        pathlib.Path(merged, "dir/mounted").write_text("")

    host.change(image, make_points)
    assert host.members(host.commit(image)) == []
    host.change(image, lambda merged: pathlib.Path(merged, "etc/mine").write_text("x"))
    assert host.members(host.commit(image)) == [b"etc/", b"etc/mine"]


def test_a_file_made_and_removed_leaves_only_its_directory(host: Host, image: Image) -> None:
    def touch(merged: str) -> None:
        pathlib.Path(merged, "many/temporary").write_text("x")
        os.unlink(f"{merged}/many/temporary")

    host.change(image, touch)
    assert host.members(host.commit(image)) == [b"many/"]


def test_commits_stack(host: Host, image: Image) -> None:
    host.change(image, everything)
    host.commit(image)
    middle = resolve(host.paths, "made")
    shutil.rmtree(host.upper)

    def more(merged: str) -> None:
        shutil.rmtree(f"{merged}/many")
        os.unlink(f"{merged}/fresh/b")
        pathlib.Path(merged, "many").mkdir()
        pathlib.Path(merged, "many/f1").write_text("back")
        shutil.rmtree(f"{merged}/dir")

    seen = host.change(middle, more)
    host.commit(middle, "top")
    top = resolve(host.paths, "top")
    assert len(top.layers) == 3
    assert host.shown(top) == seen
    # Removing the names below leaves the layers that are still stood on.
    for name in ("base", "made"):
        container_image(host.paths, {"name": name, "state": "absent"}, check=False)
    assert host.shown(resolve(host.paths, "top")) == seen
    container_image(host.paths, {"name": "top", "state": "absent"}, check=False)
    assert os.listdir(host.paths.layers) == os.listdir(host.paths.blobs) == []


def test_sockets_are_left_out_with_a_word(host: Host, image: Image) -> None:
    import socket

    def listen(merged: str) -> None:
        with contextlib.chdir(merged), socket.socket(socket.AF_UNIX) as listening:
            listening.bind("socket")

    host.change(image, listen)
    made = host.commit(image)
    assert host.members(made) == []
    assert "'socket'" in made.warnings[0]


def test_a_base_that_went_away_is_told(host: Host, image: Image) -> None:
    host.change(image, everything)
    with plan_commit(
        host.paths, base=image, upper=host.upper, ignore=(), previous=None, spec=CommitSpec(name="x"), check=False
    ) as made:
        container_image(host.paths, {"name": "base", "state": "absent"}, check=False)
        with pytest.raises(Conflict):
            made.plan.apply()
    assert os.listdir(host.paths.staging) == []


def test_nonsense_is_told_before_anything_is_read(host: Host, image: Image) -> None:
    os.mkdir(host.upper)
    for spec in (CommitSpec(name="Bad Name"), CommitSpec(name="x", changes=["RUN ls"])):
        with (
            pytest.raises(InvalidSpec),
            plan_commit(host.paths, base=image, upper=host.upper, ignore=(), previous=None, spec=spec, check=False),
        ):
            pass
    assert os.listdir(host.paths.staging) == []
