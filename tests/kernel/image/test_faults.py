# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed at any moment, out of space, two at once: the next command finds a consistent store, and nothing is left over."""

from __future__ import annotations

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import StorageFull
from ansible_collections.berth.containers.plugins.module_utils._engine.image.commit import CommitSpec, plan_commit
from ansible_collections.berth.containers.plugins.module_utils._engine.image.converge import container_image
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.check import digest_of
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.staging import sweep
from ansible_collections.berth.containers.tests.kernel.image.archives import Image, lay
from ansible_collections.berth.containers.tests.kernel.storage.trees import facts, make_tree, state
from ansible_collections.berth.containers.tests.unit.storage.tars import member

ENGINE = "ansible_collections.berth.containers.plugins.module_utils._engine"
KILLS = 10
SCRIPT = f"""
import json, sys
from {ENGINE}.paths import Paths
from {ENGINE}.image.converge import container_image
from {ENGINE}.image.commit import CommitSpec, plan_commit
from {ENGINE}.image.resolve import resolve
paths, work = Paths(sys.argv[1]), json.loads(sys.argv[2])
sys.stdout.write("go")
sys.stdout.flush()
if "upper" in work:
    with plan_commit(paths, base=resolve(paths, "base"), upper=work["upper"], ignore=(), previous=None,
                     spec=CommitSpec(name="made"), check=False) as made:
        made.plan.apply()
else:
    sys.stdout.write(str(container_image(paths, work, check=False).changed))
"""


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Iterator[Paths]:
    with state(str(tmp_path / "state")) as made:
        yield made


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> str:
    root = str(tmp_path / "tree")
    make_tree(root, with_socket=False)
    for number in range(300):
        pathlib.Path(root, f"f{number}").write_bytes(os.urandom(2000))
    return root


def start(paths: Paths, work: dict[str, str]) -> subprocess.Popen[bytes]:
    """The work in a process of its own, which has imported what it needs."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, paths.root, json.dumps(work)], stdout=subprocess.PIPE, env=env
    )
    assert process.stdout is not None
    assert process.stdout.read(2) == b"go"
    return process


def finish(process: subprocess.Popen[bytes]) -> int:
    with process:
        return process.wait(timeout=60)


def check_store(paths: Paths) -> None:
    """Every image in the index is whole, and the store has nothing besides."""
    index = pathlib.Path(paths.root, "index.json")
    blobs, layers = set(), set()
    for item in json.loads(index.read_text())["manifests"] if index.exists() else []:
        image = resolve(paths, item["digest"])
        manifest = json.loads(pathlib.Path(paths.blobs, image.digest[7:]).read_text())
        blobs |= {image.digest[7:], image.id[7:], *(layer["digest"][7:] for layer in manifest["layers"])}
        layers |= {os.path.basename(os.path.dirname(layer)) for layer in image.layers}
    for name in blobs:
        assert digest_of(f"{paths.blobs}/{name}") == f"sha256:{name}"
    assert set(os.listdir(paths.blobs)) == blobs
    assert set(os.listdir(paths.layers)) == layers
    assert os.listdir(paths.staging) == []
    assert not [name for name in os.listdir(paths.root) if name.endswith(".tmp")]


def kill_at_random(paths: Paths, work: dict[str, str], undo: dict[str, str]) -> None:
    """Measure the work, then kill it at moments spread over it; after each, the same work converges."""
    process = start(paths, work)
    begun = time.monotonic()
    assert finish(process) == 0
    span, kills = time.monotonic() - begun, 0
    for _unused in range(KILLS * 5):
        if kills == KILLS:
            break
        container_image(paths, undo, check=False)
        process, delay = start(paths, work), random.uniform(0, span)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        landed = finish(process) == -signal.SIGKILL
        assert finish(start(paths, work)) == 0
        check_store(paths)
        kills += landed
        # The measured run may have been a slow one: by then a quicker one was over.
        span = span if landed else delay
    assert kills == KILLS


def test_an_import_killed_anywhere_converges(paths: Paths, tree: str) -> None:
    work = {"name": "base", "rootfs": tree}
    kill_at_random(paths, work, {"name": "base", "state": "absent"})
    assert facts(resolve(paths, "base").layers[0]) == facts(tree)


def test_a_removal_killed_anywhere_converges(paths: Paths, tree: str) -> None:
    container_image(paths, {"name": "other", "bootstrap": "busybox"}, check=False)
    kill_at_random(paths, {"name": "base", "state": "absent"}, {"name": "base", "rootfs": tree})
    assert resolve(paths, "other").layers


def test_a_commit_killed_anywhere_converges(paths: Paths, tree: str) -> None:
    container_image(paths, {"name": "base", "bootstrap": "busybox"}, check=False)
    kill_at_random(paths, {"upper": tree}, {"name": "made", "state": "absent"})


def test_killed_between_blobs_and_index_leaves_nothing_that_stays(paths: Paths, tree: str) -> None:
    """The worst moment, made exactly: everything has moved in, and the index does not name it."""
    cut_short(paths, {"name": "base", "rootfs": tree}, "storage.layout", "write_index")
    assert len(os.listdir(paths.layers)) == 1
    # A command of another room that only sweeps cleans up as well.
    sweep(paths)
    check_store(paths)
    assert os.listdir(paths.layers) == []


def test_a_recovery_that_is_killed_too_is_made_up_for(paths: Paths, tree: str) -> None:
    container_image(paths, {"name": "base", "rootfs": tree}, check=False)
    cut_short(paths, {"name": "base", "state": "absent"}, "storage.collect", "collect")
    cut_short(paths, {"name": "none", "state": "absent"}, "storage.staging", "remove_tree")
    container_image(paths, {"name": "none", "state": "absent"}, check=False)
    check_store(paths)
    assert os.listdir(paths.layers) == []


def cut_short(paths: Paths, work: dict[str, str], module: str, function: str) -> None:
    """Do the work in a process that kills itself when it comes to that function."""
    script = SCRIPT.replace(
        'sys.stdout.write("go")',
        f"import os, signal\nfrom {ENGINE}.{module.rpartition('.')[0]} import {module.rpartition('.')[2]} as victim\n"
        f"victim.{function} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\nsys.stdout.write('go')",
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script, paths.root, json.dumps(work)], env=env, check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL


def test_of_four_at_once_one_makes_it(paths: Paths, tree: str) -> None:
    for _unused in range(3):
        processes = [start(paths, {"name": "base", "rootfs": tree}) for _unused in range(4)]
        said = [process.communicate(timeout=60)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * 4
        assert sorted(said) == [b"False", b"False", b"False", b"True"]
        check_store(paths)
        container_image(paths, {"name": "base", "state": "absent"}, check=False)


@pytest.fixture
def small(tmp_path: pathlib.Path) -> Iterator[str]:
    """A mounted ext4 of 12 MiB; gone afterwards, with its loop device."""
    image, home = str(tmp_path / "disk"), str(tmp_path / "small")
    os.mkdir(home)
    with open(image, "wb") as file:
        file.truncate(12 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, home], check=True)
    try:
        yield home
    finally:
        subprocess.run(["umount", home], check=True)


def used(path: str) -> int:
    status = os.statvfs(path)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


@pytest.fixture
def cramped(small: str) -> Iterator[Paths]:
    with state(f"{small}/state") as made:
        yield made


def test_a_full_disk_is_told_and_gets_its_space_back(cramped: Paths, small: str, tmp_path: pathlib.Path) -> None:
    container_image(cramped, {"name": "base", "bootstrap": "busybox"}, check=False)
    os.makedirs(tmp_path / "big")
    for number in range(10):
        (tmp_path / f"big/f{number}").write_bytes(os.urandom(1 << 20))
    subprocess.run(["tar", "-C", str(tmp_path / "big"), "-cf", str(tmp_path / "big.tar"), "."], check=True)
    before = used(small)
    for rootfs in (str(tmp_path / "big"), str(tmp_path / "big.tar")):
        with pytest.raises(StorageFull, match="free some space"):
            container_image(cramped, {"name": "big", "rootfs": rootfs}, check=False)
        assert os.listdir(cramped.staging) == []
        assert used(small) <= before + 65536
    base = resolve(cramped, "base")
    with (
        pytest.raises(StorageFull),
        plan_commit(
            cramped,
            base=base,
            upper=str(tmp_path / "big"),
            ignore=(),
            previous=None,
            spec=CommitSpec(name="made"),
            check=False,
        ),
    ):
        pass
    check_store(cramped)
    assert used(small) <= before + 65536


def test_a_disk_without_inodes_is_told(cramped: Paths, small: str, tmp_path: pathlib.Path) -> None:
    os.makedirs(tmp_path / "many")
    for number in range(os.statvfs(small).f_files + 10):
        (tmp_path / f"many/f{number}").touch()
    with pytest.raises(StorageFull):
        container_image(cramped, {"name": "many", "rootfs": str(tmp_path / "many")}, check=False)
    assert os.listdir(cramped.staging) == []
    shutil.rmtree(tmp_path / "many")
    container_image(cramped, {"name": "base", "bootstrap": "busybox"}, check=False)
    check_store(cramped)


def test_a_load_killed_anywhere_converges(paths: Paths, tmp_path: pathlib.Path) -> None:
    layers = [b"".join(member(b"%d/f%d" % (at, number), os.urandom(3000)) for number in range(80)) for at in range(3)]
    archive = lay(Image(*layers, member(b"0/.wh.f1")).files(), tmp_path / "archive")
    kill_at_random(paths, {"name": "base", "archive": archive}, {"name": "base", "state": "absent"})


def test_a_load_onto_a_full_disk_is_told_and_gets_its_space_back(
    cramped: Paths, small: str, tmp_path: pathlib.Path
) -> None:
    container_image(cramped, {"name": "base", "bootstrap": "busybox"}, check=False)
    before = used(small)
    layers = [member(b"f%d" % number, os.urandom(4 << 20)) for number in range(3)]
    archive = lay(Image(*layers).files(), tmp_path / "archive")
    with pytest.raises(StorageFull, match="free some space"):
        container_image(cramped, {"name": "big", "archive": archive}, check=False)
    check_store(cramped)
    assert used(small) <= before + 65536
