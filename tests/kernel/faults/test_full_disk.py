# SPDX-License-Identifier: GPL-3.0-or-later
"""A small file system as the root: what does not fit fails in a sentence, gives its space back, and works once there is room."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError, StorageFull
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime import wire
from ansible_collections.berth.containers.tests.kernel.house import WAIT, House, a_house, wait_until

SIZE = 24 << 20
WEB: dict[str, Any] = {"name": "web", "image": "base", "command": WAIT, "stop_timeout": 0, "network_mode": "bridge"}


@pytest.fixture
def small(tmp_path: pathlib.Path) -> Iterator[House]:
    """A root on an ext4 of its own with 24 MiB."""
    image, place = tmp_path / "disk", tmp_path / "place"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(SIZE)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-N", "2000", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        with a_house(str(place / "root")) as house:
            yield house
    finally:
        subprocess.run(["umount", str(place)], check=True)


def free(house: House) -> int:
    found = os.statvfs(house.paths.root)
    return found.f_bavail * found.f_frsize


@contextlib.contextmanager
def filled(house: House, left: int = 0) -> Iterator[None]:
    """All but `left` bytes of the disk are in use meanwhile."""
    path = os.path.join(os.path.dirname(house.paths.root), "filler")
    # Unbuffered: what a buffer could not write, it would try again when it is closed.
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while free(house) > left:
            file.write(bytes(min(max(free(house) - left, 512), 1 << 20)))
    try:
        yield
    finally:
        os.unlink(path)
        # Freed blocks can be used again once the journal has them.
        subprocess.run(["sync", "-f", os.path.dirname(path)], check=True)


def fails_in_a_sentence(house: House, verb: str, params: dict[str, Any]) -> None:
    """And leaves no more on the disk than was there."""
    before = free(house)
    with pytest.raises(EngineError) as caught:
        house.ask(verb, **params)
    said = str(caught.value)
    assert "\n" not in said
    assert "No space left" in said or isinstance(caught.value, StorageFull), said
    assert free(house) >= before - 65_536
    assert os.listdir(house.paths.staging) == []


def converges(house: House, verb: str, params: dict[str, Any]) -> None:
    assert house.ask(verb, **params).changed
    assert not house.ask(verb, **params).changed


def test_import(small: House, tmp_path: pathlib.Path) -> None:
    (tmp_path / "tree").mkdir()
    for number in range(20):
        (tmp_path / f"tree/{number}").write_bytes(os.urandom(200_000))
    params = {"name": "big", "rootfs": str(tmp_path / "tree")}
    for left in (0, 100_000, 1_000_000, 3_000_000, 5_000_000):
        with filled(small, left):
            fails_in_a_sentence(small, "container_image", params)
    converges(small, "container_image", params)


def test_create(small: House) -> None:
    params = {**WEB, "state": "present"}
    with filled(small):
        fails_in_a_sentence(small, "container", params)
        assert os.listdir(small.paths.containers) == os.listdir(small.paths.names) == []
        assert [name for name in os.listdir(small.paths.leases) if name.startswith("ids")] == []
    converges(small, "container", params)


def test_start(small: House) -> None:
    small.ask("container", **{**WEB, "state": "present"})
    with filled(small):
        # It may find a place for its few small files, in the tails of blocks; then it runs.
        try:
            small.ask("container", **WEB)
        except EngineError as error:
            assert "No space left" in str(error)
            assert "\n" not in str(error)
            assert small.info("web")["state"]["status"] == "created"
    small.ask("container", **WEB)
    assert small.exec("web", ["echo", "alive"]).out == "alive\n"
    small.ask("container", name="web", state="absent")
    wait_until(lambda: not small.left(), 3)


def test_commit(small: House) -> None:
    small.ask("container", **WEB)
    small.exec("web", "head -c 6000000 /dev/urandom >/big")
    params = {"container": "web", "name": "made"}
    for left in (0, 500_000, 4_000_000):
        with filled(small, left):
            fails_in_a_sentence(small, "container_commit", params)
            assert small.exec("web", ["echo", "alive"]).out == "alive\n", "it was not left frozen"
    converges(small, "container_commit", params)


def test_what_runs_goes_on_and_can_be_removed(small: House) -> None:
    """The payload may fill the disk: the log drops its lines, the end is recorded or at least survived, removal works."""
    small.ask("container", **{**WEB, "command": ["sh", "-c", "while :; do echo line; sleep 0.01; done"]})
    with filled(small):
        assert small.exec("web", "head -c 5000000 /dev/zero >/full").code != 0
        assert small.info("web")["state"]["status"] == "running"
        small.ask("container", name="web", state="absent")
        wait_until(lambda: not small.left(), 3)
    small.ask("container", **WEB)
    assert small.info("web")["state"]["status"] == "running"


def test_stop_while_the_disk_is_full(small: House) -> None:
    small.ask("container", **WEB)
    with filled(small):
        with contextlib.suppress(EngineError):
            small.ask("container", name="web", state="stopped")
        assert small.info("web")["state"]["status"] == "exited"
    small.ask("container", **WEB)
    assert small.info("web")["state"]["status"] == "running"


def test_an_end_is_told_though_it_can_not_be_written(small: House) -> None:
    attached = small.attach(["sh", "-c", "read x; echo $x; exit 3"], interactive=True)
    with filled(small):
        attached.send(wire.STDIN, b"go\n")
        done = attached.finish()
    assert (done.code, done.out) == (3, "go\n")
    small.clean()
