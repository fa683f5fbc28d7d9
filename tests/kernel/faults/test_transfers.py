# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL and a full disk while an image is pulled, pushed, loaded or imported: the same command converges, and nothing is left.

BERTH_KILLS is how many kills there are in all, 40 by default; BERTH_FULL how many full disks, 9 by default.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import pathlib
import random
import signal
import tarfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine import api, cli
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError, StorageFull
from ansible_collections.berth.containers.tests.kernel.faults.test_full_disk import filled, free, small
from ansible_collections.berth.containers.tests.kernel.house import House, a_house, in_child, wait_until
from ansible_collections.berth.containers.tests.kernel.image.archives import Image, pack
from ansible_collections.berth.containers.tests.kernel.registry.servers import digest_of, docker_registry

KILLS = int(os.environ.get("BERTH_KILLS", "40"))
FULL = int(os.environ.get("BERTH_FULL", "9"))
SEED = int(os.environ.get("BERTH_SEED", str(random.randrange(10**6))))
WORKS = ("pull", "push", "load", "import")
LAYERS, FILES = 4, 40

__all__ = ["small"]


def layer(dice: random.Random, number: int) -> bytes:
    """A tar of small files in directories, half of which compress."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for at in range(FILES):
            member = tarfile.TarInfo(f"usr/{number}/{at % 7}/{at}")
            content = dice.randbytes(dice.randrange(20_000)) + bytes(dice.randrange(20_000))
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return data.getvalue()


class Ground:
    """What the works work on: an archive of an image, a layer alone, and a registry that has the image as team/app:1."""

    def __init__(self, scratch: pathlib.Path, registry: str) -> None:
        dice = random.Random(SEED)
        self.scratch, self.registry = scratch, registry
        tars = [layer(dice, number) for number in range(LAYERS)]
        self.archive = pack(Image(*tars, end=b"").files(), scratch / "image.tar.gz", "gzip")
        self.tar = scratch / "layer.tar.gz"
        self.tar.write_bytes(gzip.compress(layer(dice, LAYERS), 1))
        self.temporary = scratch / "tmp"
        self.temporary.mkdir()
        with a_house(str(scratch / "source"), bootstrap=False) as house:
            house.ask("container_image", name="app", archive=self.archive)
            house.ask("container_image_push", name="app", destination=f"{registry}/team/app:1")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    scratch = tmp_path_factory.mktemp("ground")
    with docker_registry(scratch / "registry") as name:
        yield Ground(scratch, name)


@pytest.fixture(scope="module")
def store(ground: Ground) -> Iterator[House]:
    """A root that has the image `app`, out of the archive, for pushes; what else comes into it goes again."""
    with a_house(str(ground.scratch / "store"), bootstrap=False) as house:
        house.ask("container_image", name="app", archive=ground.archive)
        yield house


class Work:
    """One command: how it is given, how its beginning shows, and what has to be so once it has converged."""

    def __init__(self, house: House, ground: Ground, name: str) -> None:
        self.house, self.ground, self.name, self.count = house, ground, name, 0
        self.image = {"pull": f"{ground.registry}/team/app:1", "push": "app", "load": "loaded", "import": "imported"}[
            name
        ]

    def prepare(self) -> None:
        """A place in the registry where nothing was pushed to yet."""
        self.count += 1

    def request(self) -> dict[str, Any]:
        verb, params = {
            "pull": ("container_image", {"name": self.image}),
            "push": ("container_image_push", {"name": "app", "destination": f"{self.ground.registry}/{self._repository()}:1"}),
            "load": ("container_image", {"name": self.image, "archive": self.ground.archive}),
            "import": ("container_image", {"name": self.image, "rootfs": str(self.ground.tar)}),
        }[self.name]  # fmt: skip
        return {"verb": verb, "root": self.house.paths.root, "params": params}

    def act(self) -> Any:
        """Carry it out in this process; whether it changed something. An import comes through a pipe, as people do it."""
        os.environ["TMPDIR"] = str(self.ground.temporary)
        if self.name != "import":
            return api.answer(self.request()).changed
        descriptor = os.open(self.ground.tar, os.O_RDONLY)
        os.dup2(descriptor, 0)
        with open(self.ground.scratch / "said", "wb", buffering=0) as said:
            os.dup2(said.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            return cli.main(["--root", self.house.paths.root, "import", "-", self.image])

    def has_begun(self) -> bool:
        if self.name != "push":
            return bool(os.listdir(self.house.paths.staging))
        return (self.ground.scratch / f"registry/data/docker/registry/v2/repositories/{self._repository()}").exists()

    def converges(self) -> None:
        """The same command does what is left to do, and once more nothing; what came is whole."""
        if self.name == "import":
            assert in_child(self.act) == 0, (self.ground.scratch / "said").read_text()
        else:
            in_child(self.act)
            assert in_child(self.act) is False
        found = in_child(lambda: api.answer({"verb": "system_check", "root": self.house.paths.root})).result
        assert found["problems"] == []
        assert os.listdir(self.house.paths.staging) == []
        if self.name == "push":
            self._is_served()
        else:
            (image,) = self.house.ask("container_image_info", name=[self.image]).result["images"]
            assert len(image["layers"]) == (1 if self.name == "import" else LAYERS)

    def take_away(self) -> None:
        if self.name != "push":
            self.house.ask("container_image", name=self.image, state="absent")

    def _repository(self) -> str:
        return f"team/{self.name}{self.count}"

    def _is_served(self) -> None:
        (image,) = self.house.ask("container_image_info", name=["app"]).result["images"]
        place = f"http://{self.ground.registry}/v2/{self._repository()}"
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        with urllib.request.urlopen(urllib.request.Request(f"{place}/manifests/1", headers=accept)) as answer:
            data = answer.read()
        assert digest_of(data) == image["digest"]
        manifest = json.loads(data)
        for part in (manifest["config"], *manifest["layers"]):
            with urllib.request.urlopen(f"{place}/blobs/{part['digest']}") as answer:
                assert digest_of(answer.read()) == part["digest"]


def descendants(pid: int) -> list[int]:
    """The processes below one, as long as it lives."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [one for child in map(int, children) for one in (child, *descendants(child))]


def is_alive(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def started(work: Work) -> int:
    """The process that is at it."""
    pid = os.fork()
    if pid == 0:
        try:
            with open(os.devnull, "wb") as quiet:
                os.dup2(quiet.fileno(), 2)
            work.act()
        finally:
            os._exit(0)
    return pid


def follow(pid: int, work: Work) -> None:
    """Wait until there is something to see of the work, or it is over."""
    while not work.has_begun() and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(0.0005)


class Killed:
    """A command that is killed: `landed` while it was at work, `below` that it was one of its workers, which it survives."""

    def __init__(self, work: Work, dice: random.Random, took: float) -> None:
        pid = started(work)
        follow(pid, work)
        self.delay = dice.uniform(0, took)
        time.sleep(self.delay)
        self.workers = descendants(pid)
        self.below = bool(self.workers) and dice.random() < 0.2
        self.landed = False
        with contextlib.suppress(ProcessLookupError):
            os.kill(dice.choice(self.workers) if self.below else pid, signal.SIGKILL)
            self.landed = self.below
        died = os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        self.landed = self.landed or died
        assert not (self.below and died)


def stored(house: House) -> dict[str, list[str]]:
    return {path: sorted(os.listdir(path)) for path in (house.paths.layers, house.paths.blobs, house.paths.staging)}


def mounts(house: House) -> list[str]:
    return [line for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if house.paths.root in line]


def measured(work: Work) -> float:
    """How long it takes from its first trace to its end."""
    work.prepare()
    pid = started(work)
    follow(pid, work)
    begun = time.monotonic()
    os.waitpid(pid, 0)
    took = time.monotonic() - begun
    work.take_away()
    return took


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_killed_while_at_work(store: House, ground: Ground, name: str) -> None:
    work, dice, wanted = Work(store, ground, name), random.Random(f"{SEED} {name}"), -(-KILLS // len(WORKS))
    took, before, landed = measured(work), stored(store), Counter[str]()
    for _unused in range(wanted * 5):
        if landed.total() == wanted:
            break
        work.prepare()
        killed = Killed(work, dice, took)
        story = (
            f"seed {SEED}: {name} killed (worker: {killed.below}) {killed.delay * 1000:.1f} of {took * 1000:.1f} ms on"
        )
        with told(story):
            wait_until(lambda killed=killed: not any(map(is_alive, killed.workers)), 3)
            left = os.listdir(store.paths.staging)
            assert not (killed.below and left), "it did not clean up after its worker"
            work.converges()
            work.take_away()
            assert stored(store) == before
            assert os.listdir(ground.temporary) == mounts(store) == store.left() == []
        if killed.landed:
            landed["worker" if killed.below else "half-made" if left else "nothing in staging"] += 1
        else:
            took = killed.delay  # it was a slow one that was measured
    assert landed.total() == wanted
    print(f"{name}: {dict(landed)}")


@contextlib.contextmanager
def told(story: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{story}: {error}") from error


@pytest.mark.slow
def test_a_full_disk(small: House, ground: Ground) -> None:
    """At random points of what it needs: one plain sentence, all space given back, and success once there is room."""
    dice, points = random.Random(SEED), Counter[str]()
    works = [Work(small, ground, name) for name in WORKS if name != "push"]
    needs = {work.name: needed(work) for work in works}
    for number in range(FULL * 3):
        if points.total() == FULL:
            break
        work = works[number % len(works)]
        left = dice.randrange(needs[work.name])
        with told(f"seed {SEED}: {work.name} with {left} of {needs[work.name]} bytes left"):
            with filled(small, left):
                failed = fails_plainly(work)
            assert os.listdir(ground.temporary) == mounts_below(small) == []
            work.converges()
            work.take_away()
        points[work.name] += failed
    assert points.total() == FULL
    print(f"full disks: {dict(points)}")


def needed(work: Work) -> int:
    """The least that is free meanwhile is what it takes at most: seen every few milliseconds."""
    start = least = free(work.house)
    pid = started(work)
    while not os.waitpid(pid, os.WNOHANG)[0]:
        least = min(least, free(work.house))
        time.sleep(0.002)
    work.take_away()
    return start - least


def fails_plainly(work: Work) -> bool:
    """False when it found a place after all, in the tails of blocks."""
    house, before, said = work.house, free(work.house), ""
    if work.name == "import":
        status = in_child(work.act)
        said = (work.ground.scratch / "said").read_text().removesuffix("\n")
        assert status in (0, StorageFull.exit_code)
    else:
        try:
            in_child(work.act)
        except EngineError as error:
            said = str(error)
            assert isinstance(error, StorageFull), said
    if not said:
        return False
    assert "No space left" in said and "\n" not in said, said
    assert os.listdir(house.paths.staging) == []
    assert free(house) >= before - 65_536, "it kept some of the space"
    assert house.ask("container_image_info", name=[work.image]).result["images"] == []
    return True


def mounts_below(house: House) -> list[str]:
    """Without the small file system itself."""
    return [line for line in mounts(house) if f"{house.paths.root}/" in line]
