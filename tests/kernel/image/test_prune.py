# SPDX-License-Identifier: GPL-3.0-or-later
"""What nobody needs goes, as was told beforehand and to the byte; what somebody needs stays, whatever happens beside it."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import threading
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError, InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.storage import layout
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.staging import Staging
from ansible_collections.berth.containers.tests.kernel.house import in_child
from ansible_collections.berth.containers.tests.kernel.image.stores import ask, child, container, converge, write
from ansible_collections.berth.containers.tests.kernel.storage.trees import state


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Iterator[Paths]:
    with state(str(tmp_path / "state")) as made:
        yield made


def image(paths: Paths, tmp_path: pathlib.Path, name: str, **params: object) -> None:
    write(tmp_path / name, {f"file{number}": os.urandom(50_000) for number in range(20)})
    ask(paths, "container_image", name=name, rootfs=str(tmp_path / name), **params)


def used(path: str) -> int:
    """What du(1) says of the blocks on the disk."""
    return int(subprocess.run(["du", "-s", "-B1", path], capture_output=True, check=True).stdout.split()[0])


def test_a_dry_run_is_true_to_the_byte(paths: Paths, tmp_path: pathlib.Path) -> None:
    for name in ("kept", "gone", "used"):
        image(paths, tmp_path, name)
    container(paths, "c1", "used")
    os.makedirs(f"{paths.staging}/pull-1-abc/deep")
    pathlib.Path(f"{paths.staging}/pull-1-abc/deep/part").write_bytes(bytes(300_000))
    pathlib.Path(f"{paths.blobs}/{'0' * 64}").write_bytes(b"nobody's" * 1000)
    ask(paths, "container_image_tag", name="used", state="absent")
    ask(paths, "container_image_tag", name="more", image="gone")  # sweeps what was left
    os.makedirs(f"{paths.staging}/pull-1-abc/deep")
    pathlib.Path(f"{paths.staging}/pull-1-abc/deep/part").write_bytes(b"1" * 300_000)
    pathlib.Path(f"{paths.blobs}/{'0' * 64}").write_bytes(b"nobody's" * 1000)
    subprocess.run(["sync", "-f", paths.root], check=True)  # until then ext4 has not chosen all blocks
    before = used(paths.root)
    first = converge(paths, "container_prune")
    assert first.result["images"] == []
    assert first.result["blobs"] == [f"sha256:{'0' * 64}"]
    assert first.result["staging"] == ["pull-1-abc"]
    assert before - used(paths.root) == first.result["bytes_freed"] > 308_000
    before = used(paths.root)
    second = converge(paths, "container_prune", all=True)
    assert [item["name"] for item in second.result["images"]] == ["gone:latest", "kept:latest", "more:latest"]
    assert before - used(paths.root) == second.result["bytes_freed"] > 4_000_000
    assert len(os.listdir(paths.layers)) == 1


def test_an_image_without_a_name_goes_when_its_container_has_gone(paths: Paths, tmp_path: pathlib.Path) -> None:
    image(paths, tmp_path, "one")
    digest = resolve(paths, "one").digest
    container(paths, "c1", "one")
    ask(paths, "container_image_tag", name="one", state="absent")
    assert not converge(paths, "container_prune", all=True).changed
    shutil.rmtree(paths.container("c1"))
    done = converge(paths, "container_prune")
    assert done.result["images"] == [{"name": "", "digest": digest}]
    assert os.listdir(paths.layers) == os.listdir(paths.blobs) == []


def test_filters(paths: Paths, tmp_path: pathlib.Path) -> None:
    image(paths, tmp_path, "web", labels={"team": "web", "keep": "yes"})
    image(paths, tmp_path, "db", labels={"team": "db"})
    for params in (
        {"until": "24h"},
        {"until": "2020-01-01T00:00:00Z"},
        {"labels": ["team=nobody"]},
        {"labels": ["team", "keep=no"]},
        {"images": False},
    ):
        assert not converge(paths, "container_prune", all=True, **params).changed
    everything = ask(paths, "container_prune", check=True, all=True, until="2100-01-01T00:00:00Z").result
    assert [item["name"] for item in everything["images"]] == ["db:latest", "web:latest"]
    done = converge(paths, "container_prune", all=True, labels=["team", "keep=yes"])
    assert [item["name"] for item in done.result["images"]] == ["web:latest"]
    for wrong in ({"until": "yesterday"}, {"until": "2020-13-01T00:00:00Z"}, {"labels": "team"}, {"all": "yes"}):
        with pytest.raises(InvalidSpec):
            ask(paths, "container_prune", **wrong)


def test_what_a_live_command_works_on_is_left(paths: Paths) -> None:
    with Staging(paths, "pull") as place:
        pathlib.Path(f"{place.path}/blob").write_bytes(bytes(1000))
        assert not converge_beside(paths)
        assert os.path.exists(f"{place.path}/blob")


def converge_beside(paths: Paths) -> bool:
    return bool(in_child(lambda: ask(paths, "container_prune").changed))


def test_an_image_that_can_not_be_read_stops_the_pruning(paths: Paths, tmp_path: pathlib.Path) -> None:
    for name in ("one", "two"):
        image(paths, tmp_path, name)
    container(paths, "c1", "one")
    pathlib.Path(f"{paths.blobs}/{resolve(paths, 'one').digest[7:]}").write_bytes(b"{}")
    done = ask(paths, "container_prune", all=True)
    assert not done.changed
    assert "left alone" in done.warnings[0]
    assert resolve(paths, "two")


def test_beside_imports_and_commits(paths: Paths, tmp_path: pathlib.Path) -> None:
    """Whoever makes an image either has it whole afterwards, or is told in a sentence that what it stands on has gone."""
    image(paths, tmp_path, "base")
    write(tmp_path / "upper", {"new": b"new"})
    stop, told = threading.Event(), []

    def prune() -> None:
        while not stop.is_set():
            in_child(lambda: ask(paths, "container_prune", all=True, labels=["gone"]).changed)
            in_child(lambda: ask(paths, "container_prune").changed)

    def work(number: int) -> None:
        try:
            in_child(lambda: image(paths, tmp_path, f"import{number}", labels={"gone": "1"}))
            in_child(lambda: child(paths, "base", f"child{number}", tmp_path / "upper"))
        except EngineError as error:
            told.append(str(error))

    pruner = threading.Thread(target=prune)
    workers = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    pruner.start()
    for one in workers:
        one.start()
    for one in workers:
        one.join(60)
    stop.set()
    pruner.join(60)
    assert told == []
    assert ask(paths, "system_check").result["problems"] == []
    names = {layout.name_of(item) for item in layout.read_index(paths)}
    assert {"base:latest", *(f"child{number}:latest" for number in range(6))} <= names
    assert os.listdir(paths.staging) == []
