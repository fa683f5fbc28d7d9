# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there twice is there once afterwards, and nobody can tell: not the images, not their containers, not the check."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Damaged
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.storage import (
    derive,
    derived,
    layout,
    share,
    stored,
    times,
)
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
    before, size, whole = trees(paths), used(paths.layers), used(paths.root)
    done = converge(paths, DEDUPE)
    assert done.result["linked"] == {"files": 49, "bytes": 49 * 40_960}
    assert size - used(paths.layers) == 49 * 40_960
    assert used(paths.layers) <= 0.6 * size
    assert done.result["derived"]["files"] == 2
    # The directory of descriptions came with them.
    assert whole - used(paths.root) == done.result["bytes_freed"] - 4096
    assert used(paths.root) <= 0.35 * whole
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


def blobs(paths: Paths) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in pathlib.Path(paths.blobs).iterdir()}


def test_what_reads_a_blob_that_went_gets_it_byte_for_byte(paths: Paths, tmp_path: pathlib.Path) -> None:
    upgraded(paths, tmp_path)
    before, infos = blobs(paths), ask(paths, "container_image_info").result
    exported = {"name": "one", "path": str(tmp_path / "before.tar")}
    ask(paths, "container_image_export", **exported)
    ask(paths, DEDUPE)
    gone = before.keys() - blobs(paths).keys()
    assert len(gone) == 2
    assert {digest[7:] for digest in derive.away(paths)} == gone
    for name in gone:
        with stored.open_blob(paths, f"sha256:{name}") as blob:
            assert blob.size == len(before[name])
            assert b"".join(blob.verified()) == before[name]
            for start in (0, 1, 511, 70_000, blob.size - 3, blob.size):
                assert b"".join(blob.blocks(start)) == before[name][start:]
    assert ask(paths, "container_image_info").result == infos
    assert not ask(paths, "container_image_export", **exported).changed
    ask(paths, "container_image_export", name="two", path=str(tmp_path / "two.tar"), format="docker-archive")
    with state(str(tmp_path / "other")) as other:
        ask(other, "container_image", name="two", archive=str(tmp_path / "two.tar"))
        assert gone & blobs(other).keys()
        assert ask(other, "system_check").result["problems"] == []
    # The tree of one layer went: it is unpacked from the description of the other's only if that is its own.
    checked = ask(paths, "system_check").result
    assert (checked["problems"], checked["checked"]["layers"]) == ([], 3)
    done = converge(paths, DEDUPE, blobs="restore")
    assert done.result["restored"]["files"] == 2
    assert blobs(paths) == before
    assert os.listdir(f"{paths.root}/derived") == []
    assert not ask(paths, DEDUPE, blobs="keep").changed


def test_a_blob_that_went_is_missed_when_its_tree_is_damaged(paths: Paths, tmp_path: pathlib.Path) -> None:
    upgraded(paths, tmp_path)
    ask(paths, "container_image_export", name="one", path=str(tmp_path / "one.tar"))
    ask(paths, DEDUPE)
    layer = os.path.dirname(resolve(paths, "one").layers[0])
    before = facts(layer + "/diff")
    os.chmod(f"{layer}/diff/made", 0o600)
    (problem,) = ask(paths, "system_check").result["problems"]
    assert (problem["kind"], "made" in problem["problem"]) == ("layer", True)
    # What is not content comes from the description.
    assert ask(paths, "system_check", repair=True).result["ok"]
    assert facts(layer + "/diff") == before
    pathlib.Path(f"{layer}/diff/made").write_bytes(b"eno")
    problems = ask(paths, "system_check").result["problems"]
    assert [item["kind"] for item in problems] == ["blob", "layer"]
    assert "'made'" in problems[0]["problem"]
    with pytest.raises(Damaged, match="one:latest"):
        ask(paths, "container_image_export", name="one", path=str(tmp_path / "again.tar"))
    assert not os.path.exists(tmp_path / "again.tar")
    again = ask(paths, "container_image", name="one", archive=str(tmp_path / "one.tar"))
    assert (again.changed, again.before["state"]) == (True, "damaged")
    assert ask(paths, "system_check").result["problems"] == []
    assert facts(resolve(paths, "one").layers[0]) == before


def test_a_hard_link_that_a_layer_has_stays_its_own(paths: Paths, tmp_path: pathlib.Path) -> None:
    data = os.urandom(50_000)
    for name in ("one", "two"):
        write(tmp_path / name, {"a": data, name: name.encode()})
        if name == "one":
            os.link(tmp_path / name / "a", tmp_path / name / "b")
        else:
            write(tmp_path / name, {"b": data})
        os.utime(tmp_path / name, ns=(DATED, DATED))
        ask(paths, "container_image", name=name, rootfs=str(tmp_path / name))
    before = trees(paths)
    assert converge(paths, DEDUPE).result["linked"]["files"] == 1
    assert trees(paths) == before
    assert ask(paths, "system_check").result["problems"] == []


def test_a_tree_that_a_blob_comes_from_stays_while_the_blob_is_needed(paths: Paths, tmp_path: pathlib.Path) -> None:
    write(tmp_path / "upper", {"more": os.urandom(200_000)})
    os.chmod(tmp_path / "upper", 0o755)
    for base in ("one", "two"):
        write(tmp_path / base, {"own": base.encode()})
        os.utime(tmp_path / base, ns=(DATED, DATED))
        os.utime(tmp_path / "upper", ns=(DATED, DATED))
        ask(paths, "container_image", name=base, rootfs=str(tmp_path / base))
        child(paths, base, f"{base}-child", tmp_path / "upper")
    assert ask(paths, DEDUPE).result["derived"]["files"] == 1
    digest = derive.away(paths)[0]
    source = derived.trees(paths, {digest[7:]}).pop()
    name = next(name for name in ("one", "two") if source in resolve(paths, f"{name}-child").layers[0])
    ask(paths, "container_image", name=f"{name}-child", state="absent")
    ask(paths, "container_prune")
    assert ask(paths, "system_check").result["problems"] == []
    with stored.open_blob(paths, digest) as blob:
        assert len(list(blob.verified())) > 0
    ask(paths, "container_prune", all=True)
    assert os.listdir(paths.layers) == os.listdir(f"{paths.root}/derived") == os.listdir(paths.blobs) == []


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
