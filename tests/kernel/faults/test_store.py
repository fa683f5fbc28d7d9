# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL and a full disk while the store is tagged, pruned, repaired or shared: the same request converges, and nothing is damaged.

BERTH_KILLS is how many kills there are in all, 24 by default; BERTH_FULL how many full disks, 8 by default.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import random
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine import api
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.tests.kernel.house import in_child
from ansible_collections.berth.containers.tests.kernel.image.stores import ask, child, container, write
from ansible_collections.berth.containers.tests.kernel.storage.trees import state

KILLS = int(os.environ.get("BERTH_KILLS", "24"))
FULL = int(os.environ.get("BERTH_FULL", "8"))
SEED = int(os.environ.get("BERTH_SEED", str(random.randrange(10**6))))
WORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "tag": ("container_image_tag", {"image": "one", "name": "two"}),
    "untag": ("container_image_tag", {"name": "two", "state": "absent"}),
    "prune": ("container_prune", {"all": True}),
    "repair": ("system_check", {"repair": True}),
    "dedupe": ("container_image_dedupe", {}),
    "restore": ("container_image_dedupe", {"blobs": "restore"}),
}


def fill(paths: Paths, scratch: pathlib.Path) -> None:
    """Two children of a base that were upgraded alike, one of them in use, an image in nobody's, and a dead command's leftovers."""
    write(scratch / "base", {"etc/base": b"base"})
    ask(paths, "container_image", name="base", rootfs=str(scratch / "base"))
    files = {f"usr/{number % 5}/{number}": os.urandom(3000) for number in range(120)}
    for name in ("one", "two"):
        write(scratch / name, {**files, "made": name.encode()})
        os.mknod(scratch / name / "etc", stat.S_IFCHR, 0)
        child(paths, "base", name, scratch / name)
    container(paths, "c1", "one")


def spoil(paths: Paths) -> None:
    tree = resolve(paths, "one").layers[0]
    (pathlib.Path(tree) / "usr/1/1").write_bytes(b"other")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paths]:
    top = tmp_path_factory.mktemp("model")
    with state(str(top / "root")) as paths:
        fill(paths, top)
        yield paths


@contextlib.contextmanager
def copy(model: Paths, place: pathlib.Path, work: str) -> Iterator[Paths]:
    with state(str(place)) as paths:
        shutil.rmtree(place)
        subprocess.run(["cp", "-a", model.root, str(place)], check=True)
        if work == "repair":
            spoil(paths)
        if work == "restore":
            in_child(lambda: ask(paths, "container_image_dedupe"))
        yield paths
    shutil.rmtree(place)


def converges(paths: Paths, work: str, story: str) -> None:
    """The request does what is left to do, once more nothing, and the store is whole."""
    verb, params = WORKS[work]
    done = in_child(lambda: ask(paths, verb, **params)).result
    again = in_child(lambda: ask(paths, verb, **params))
    assert not again.changed, f"{story}: {again.after}"
    found = in_child(lambda: ask(paths, "system_check")).result
    assert found["problems"] == [], f"{story}: {found['problems']} after {done}"
    assert os.listdir(paths.staging) == [], story
    leftover = in_child(lambda: ask(paths, "container_prune", check=True))
    assert not leftover.changed, f"{story}: {leftover.before}"
    assert resolve(paths, "one").layers


def killed(paths: Paths, work: str, delay: float) -> bool:
    verb, params = WORKS[work]
    pid = os.fork()
    if pid == 0:
        try:
            api.answer({"verb": verb, "root": paths.root, "params": params})
        finally:
            os._exit(0)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


@pytest.mark.slow
@pytest.mark.parametrize("work", WORKS)
def test_killed_at_a_random_moment(model: Paths, tmp_path: pathlib.Path, work: str) -> None:
    dice, wanted, kills = random.Random(f"{SEED} {work}"), -(-KILLS // len(WORKS)), 0
    verb, params = WORKS[work]
    with copy(model, tmp_path / "root", work) as paths:
        begun = time.monotonic()
        in_child(lambda: api.answer({"verb": verb, "root": paths.root, "params": params}).result)
        took = time.monotonic() - begun
    for _unused in range(wanted * 20):
        if kills == wanted:
            break
        with copy(model, tmp_path / "root", work) as paths:
            delay = dice.uniform(0, took)
            landed = killed(paths, work, delay)
            converges(paths, work, f"seed {SEED}: {work} killed after {delay * 1000:.1f} of {took * 1000:.1f} ms")
            kills += landed
            # The measured run may have been a slow one: by then a quicker one was over.
            took = took if landed else delay
    assert kills >= wanted


@contextlib.contextmanager
def small(place: pathlib.Path) -> Iterator[pathlib.Path]:
    """A file system of 10 MB without blocks kept back for root."""
    disk, point = place / "disk", place / "small"
    with open(disk, "wb") as file:
        file.truncate(10_000_000)
    point.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-N", "4000", str(disk)], check=True)
    subprocess.run(["mount", "-o", "loop", str(disk), str(point)], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=True)
        disk.unlink()


def free(point: pathlib.Path) -> int:
    found = os.statvfs(point)
    return found.f_bavail * found.f_frsize


def test_a_full_disk(model: Paths, tmp_path: pathlib.Path) -> None:
    dice = random.Random(SEED)
    with small(tmp_path) as point:
        for number in range(FULL):
            work = list(WORKS)[number % len(WORKS)]
            verb, params = WORKS[work]
            with copy(model, point / "root", work) as paths:
                left, filler = dice.choice((0, 4096, dice.randrange(1 << 19))), point / "filler"
                with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
                    while free(point) > left:
                        file.write(bytes(min(max(free(point) - left, 512), 1 << 20)))
                story = f"seed {SEED}: {work} with {left} bytes left"
                try:
                    in_child(functools.partial(ask, paths, verb, **params))
                except EngineError as error:
                    assert "No space left" in str(error), story
                    assert "\n" not in str(error), story
                filler.unlink()
                subprocess.run(["sync", "-f", str(point)], check=True)
                converges(paths, work, story)
