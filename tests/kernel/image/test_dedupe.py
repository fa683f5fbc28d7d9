# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there twice is there once afterwards, and nobody can tell: not the images, not their containers, not the check."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.storage import layout, share, times
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.staging import Staging
from ansible_collections.berth.containers.tests.kernel.house import House
from ansible_collections.berth.containers.tests.kernel.image.stores import DATED, ask, child, converge, write
from ansible_collections.berth.containers.tests.kernel.storage.trees import facts, state

DEDUPE = "container_image_dedupe"


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Iterator[Paths]:
    with state(str(tmp_path / "state")) as made:
        yield made


def upgraded(paths: Paths, tmp_path: pathlib.Path, names: tuple[str, ...] = ("one", "two")) -> None:
    """Children of one base that were upgraded alike, but for a file each."""
    write(tmp_path / "base", {"etc/base": b"base"})
    ask(paths, "container_image", name="base", rootfs=str(tmp_path / "base"))
    files = {f"usr/lib/{number}": os.urandom(40_000) for number in range(50)}
    for name in names:
        write(tmp_path / name, {**files, "made": name.encode(), "usr/alike": b"alike"})
        # What only looks alike: another mode, another time, other content of the same size and time, another attribute.
        os.chmod(tmp_path / name / "usr/lib/0", 0o600 if name == "one" else 0o644)
        write(tmp_path / name, {"usr/time": b"t" * 5000}, when=DATED + len(names) * hash(name) % 1000)
        write(tmp_path / name, {"usr/content": name.encode() * 1000})
        os.setxattr(tmp_path / name / "usr/alike", "user.name", name.encode())
        child(paths, "base", name, tmp_path / name)


def trees(paths: Paths) -> dict[str, object]:
    return {name: facts(f"{paths.layers}/{name}/diff") for name in os.listdir(paths.layers)}


def used(path: str) -> int:
    return int(subprocess.run(["du", "-s", "-B1", path], capture_output=True, check=True).stdout.split()[0])


def test_two_children_upgraded_alike(paths: Paths, tmp_path: pathlib.Path) -> None:
    upgraded(paths, tmp_path)
    before, size = trees(paths), used(paths.layers)
    done = converge(paths, DEDUPE)
    assert done.result["linked"]["files"] == 49
    assert size - used(paths.layers) == done.result["bytes_freed"] == 49 * 40_960
    assert used(paths.layers) <= 0.6 * size
    assert trees(paths) == before
    assert ask(paths, "system_check").result["problems"] == []
    shared = {item["name"]: item for item in ask(paths, "system_df").result["images"]}
    assert shared["one:latest"]["shared"] > 49 * 40_960
    assert shared["one:latest"]["unique"] < shared["one:latest"]["size"] - 49 * 40_960


def test_what_is_shared_counts_once_and_comes_free_with_the_last(paths: Paths, tmp_path: pathlib.Path) -> None:
    upgraded(paths, tmp_path)
    ask(paths, DEDUPE)
    totals = ask(paths, "system_df").result["totals"]
    whole = used(paths.layers) + used(paths.blobs)
    # The two directories themselves belong to nobody.
    assert whole - 3 * 4096 - 65_536 <= totals["images"]["size"] <= whole
    assert totals["images"]["reclaimable"] == totals["images"]["size"]
    ask(paths, "container_image_tag", name="one", state="absent")
    assert resolve(paths, "two")
    assert ask(paths, "system_check").result["problems"] == []
    freed = ask(paths, "container_prune", all=True).result["bytes_freed"]
    assert freed > 49 * 40_960
    assert ask(paths, "system_df").result["totals"]["images"]["size"] == 0


def test_a_killed_dedupe_gives_directories_their_times(paths: Paths, tmp_path: pathlib.Path) -> None:
    upgraded(paths, tmp_path)
    before = trees(paths)
    found = share.twins(paths, frozenset())
    tree = f"{paths.layers}/{found[0].chain}/diff"
    left = Staging(paths, "dedupe")
    left.__enter__()
    times.note(left, tree, {b"usr/lib": os.stat(f"{tree}/usr/lib").st_mtime_ns})
    os.link(f"{paths.layers}/{found[0].keeper}/diff/usr/lib/7", f"{left.path}/link")
    os.rename(f"{left.path}/link", f"{tree}/usr/lib/7")
    assert trees(paths) != before
    os.close(left.hand_over())  # as if it had died here
    assert ask(paths, DEDUPE).result["linked"]["files"] == 48
    assert trees(paths) == before
    assert os.listdir(paths.staging) == []


def test_a_stopped_container_s_copies_are_dropped_and_a_running_one_s_are_not(house: House) -> None:
    paths = house.paths
    before = {layout.name_of(item) for item in layout.read_index(paths)}
    made = {}
    for name in ("stopped", "running"):
        made[name] = house.up(name=name)
        script = "cp -a /etc/passwd /keep; chmod 600 /etc/passwd; chmod 644 /etc/passwd; echo more >>/etc/group; mv /keep /etc/passwd"
        assert house.exec(name, script).code == 0
    tree = made["stopped"]["upper"]
    house.ask("container", name="stopped", state="stopped")
    copied = pathlib.Path(tree, "etc/passwd")
    lower = pathlib.Path(resolve(paths, "base").layers[0], "etc/passwd")
    os.utime(copied, ns=(lower.stat().st_mtime_ns, lower.stat().st_mtime_ns))
    when = os.stat(f"{tree}/etc").st_mtime_ns
    predicted = house.ask(DEDUPE, check=True)
    done = house.ask(DEDUPE)
    assert predicted.result == done.result
    assert done.result["dropped"]["files"] == 1
    assert not copied.exists()
    assert os.path.exists(f"{tree}/etc/group")
    assert os.stat(f"{tree}/etc").st_mtime_ns == when
    assert os.path.exists(f"{made['running']['upper']}/etc/passwd")
    assert not house.ask(DEDUPE).changed
    again = {"name": "stopped", "image": "base", "network_mode": "none", "stop_timeout": 0}
    house.ask("container", **again, command=made["stopped"]["spec"]["command"])
    assert house.exec("stopped", "cat /etc/passwd").out == lower.read_text()
    assert "more" in house.exec("stopped", "cat /etc/group").out
    assert before == {layout.name_of(item) for item in layout.read_index(paths)}


@contextlib.contextmanager
def on_btrfs(tmp_path: pathlib.Path) -> Iterator[Paths]:
    image, place = tmp_path / "disk", tmp_path / "btrfs"
    with open(image, "wb") as file:
        file.truncate(256 << 20)
    place.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        with state(str(place / "root")) as made:
            yield made
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_files_at_other_paths_share_their_blocks_where_the_file_system_can(tmp_path: pathlib.Path) -> None:
    data = os.urandom(1 << 20)
    with on_btrfs(tmp_path) as paths:
        for name in ("one", "two"):
            write(tmp_path / name, {f"{name}/data": data, f"{name}/own": os.urandom(1 << 20)})
            ask(paths, "container_image", name=name, rootfs=str(tmp_path / name))
        before = trees(paths)
        done = converge(paths, DEDUPE)
        assert done.result["reflinked"] == {"files": 1, "bytes": 1 << 20}
        assert trees(paths) == before
        images = ask(paths, "system_df").result["images"]
        assert all(item["shared"] >= 1 << 20 for item in images)
        assert ask(paths, "system_check").result["problems"] == []
