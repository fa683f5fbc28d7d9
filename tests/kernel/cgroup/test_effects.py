# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits by what comes of them, asked for as options of a container and changed while the same process goes on."""

from __future__ import annotations

import os
import pathlib
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import hierarchy, places
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Unsupported
from ansible_collections.berth.containers.tests.kernel.house import House, wait_until

BUSY = ["sh", "-c", "while :; do :; done & while :; do :; done"]
IDLE = ["sleep", "1000"]
MIB = 1 << 20


class Kept:
    """A container whose options change, and whose first process must not."""

    def __init__(self, house: House, command: list[str], **options: Any) -> None:
        self.house = house
        self.asked: dict[str, Any] = {
            "name": house.name(), "image": "base", "command": command, "network_mode": "none", "stop_timeout": 0,
        }  # fmt: skip
        self.made = house.ask("container", **self.asked, **options).result["container"]

    def change(self, **options: Any) -> None:
        """Other options in the place of those that there were."""
        assert self.house.ask("container", **self.asked, **options).changed
        assert self.house.info(self.asked["name"])["state"]["pid"] == self.made["state"]["pid"]

    def used(self, what: str, *names: str) -> int:
        """The sum of some of the kernel's numbers."""
        found = self.house.ask("container_info", name=[self.asked["name"]], stats=True).result["containers"][0]["stats"]
        return int(sum(found[what][name] for name in names))

    def processes(self) -> list[int]:
        """Those inside, as the host numbers them."""
        (home, *_more) = places.directories(hierarchy.mounted(), self.house.paths.kernel_name("berth"), self.made["id"])
        return [int(pid) for pid in pathlib.Path(home, "cgroup.procs").read_text().split()]

    def reads(self, controller: str, old: str, new: str) -> str:
        """What the kernel has in one of its files, called `old` on version 1 and `new` on version 2."""
        here = hierarchy.mounted()
        point, file = (here.v1[controller], old) if controller in here.v1 else (here.v2, new)
        home = f"{point}/{self.house.paths.kernel_name('berth')}/{self.made['id']}"
        return pathlib.Path(home, file).read_text().strip()


def gained(kept: tuple[Kept, Kept], what: str, *names: str, seconds: float = 1.0) -> float:
    """How many times as much the second one uses as the first, in a while."""
    before = [one.used(what, *names) for one in kept]
    time.sleep(seconds)
    first, second = (one.used(what, *names) - was for one, was in zip(kept, before, strict=True))
    assert first > 0
    return second / first


def processors(kept: Kept) -> set[int]:
    """Those on which its processes ran last: the 39th field of proc_pid_stat(5)."""
    stats = (pathlib.Path(f"/proc/{pid}/stat").read_text() for pid in kept.processes())
    return {int(stat.rpartition(") ")[2].split()[36]) for stat in stats}


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> Iterator[str]:
    """A block device that is this test's own, without a scheduler."""
    image = tmp_path / "disk"
    with open(image, "wb") as file:
        file.truncate(16 * MIB)
    made = subprocess.run(["losetup", "--find", "--show", str(image)], check=True, capture_output=True, text=True)
    device = made.stdout.strip()
    queue = pathlib.Path("/sys/block", os.path.basename(device), "queue")
    (queue / "scheduler").write_text("none")
    try:
        yield device
    finally:
        (queue / "scheduler").write_text("none")
        subprocess.run(["losetup", "--detach", device], check=True)


def test_shares_are_what_each_gets_of_a_processor(house: House) -> None:
    few, many = Kept(house, BUSY, cpuset_cpus="0", cpu_shares=256), Kept(house, BUSY, cpuset_cpus="0", cpu_shares=1024)
    assert 3 < gained((few, many), "cpu", "usage_ns") < 5.3
    few.change(cpuset_cpus="0", cpu_shares=2048)
    assert 3 < 4 * gained((many, few), "cpu", "usage_ns") / 2 < 5.3


def test_processes_run_on_the_processors_that_they_are_given(house: House) -> None:
    kept = Kept(house, BUSY, cpuset_cpus="1")
    for given in (1, 0):
        if not given:
            kept.change(cpuset_cpus="0")
        wait_until(lambda given=given: processors(kept) == {given})  # type: ignore[misc]
        before, begun = kept.used("cpu", "usage_ns"), time.monotonic()
        time.sleep(0.5)
        # Two that never wait, and one processor.
        assert (kept.used("cpu", "usage_ns") - before) / 1e9 <= 1.1 * (time.monotonic() - begun)
        assert processors(kept) == {given}
    kept.change()
    wait_until(lambda: len(processors(kept)) == 2)


@pytest.mark.parametrize(
    ("option", "rate", "more", "words"),
    [
        ("device_read_bps", "1M", "100M", "if={} of=/dev/null iflag=direct bs=64k count=8"),
        ("device_write_bps", "1M", "100M", "of={} if=/dev/zero oflag=direct bs=64k count=8"),
        ("device_read_iops", 16, 10_000, "if={} of=/dev/null iflag=direct bs=4k count=8"),
        ("device_write_iops", 16, 10_000, "of={} if=/dev/zero oflag=direct bs=4k count=8"),
    ],
)
def test_a_disk_is_as_slow_as_it_was_asked_to_be(
    house: House, disk: str, option: str, rate: str | int, more: str | int, words: str
) -> None:
    kept = Kept(house, IDLE, devices=[disk], **{option: [f"{disk}:{rate}"]})

    def seconds() -> float:
        begun = time.monotonic()
        done = house.exec(kept.asked["name"], f"dd {words.format(disk)}")
        assert done.code == 0, done
        return time.monotonic() - begun

    # Half a second's worth of either.
    assert 0.35 < seconds() < 2
    kept.change(devices=[disk], **{option: [f"{disk}:{more}"]})
    assert seconds() < 0.35
    kept.change(devices=[disk])
    assert seconds() < 0.35


@pytest.mark.parametrize("by_device", [False, True], ids=["everywhere", "on one disk"])
def test_weights_decide_who_gets_a_disk_that_both_want(house: House, disk: str, by_device: bool) -> None:
    """By how much, depends on what the disk and the processors can do; that it is so does not."""
    queue = pathlib.Path("/sys/block", os.path.basename(disk), "queue")
    (queue / "scheduler").write_text("bfq")
    # It prefers what is new, whatever its weight.
    (queue / "iosched/low_latency").write_text("0")
    read = f"while :; do dd if={disk} of=/dev/null bs=4M iflag=direct 2>/dev/null; done"
    command = ["sh", "-c", f"for i in 1 2 3 4; do {read} & done; wait"]

    def weigh(number: int) -> dict[str, Any]:
        weight = {"blkio_weight_device": [f"{disk}:{number}"]} if by_device else {"blkio_weight": number}
        return {"devices": [disk], **weight}

    kept = Kept(house, command, **weigh(100)), Kept(house, command, **weigh(1000))
    before = gained(kept, "block_io", "read_bytes", seconds=1.5)
    kept[0].change(**weigh(1000))
    kept[1].change(**weigh(100))
    # BFQ takes a new weight when it turns to the group next.
    time.sleep(0.3)
    after = gained(kept, "block_io", "read_bytes", seconds=1.5)
    assert before > 1.7 * after, (before, after)


def test_what_has_no_effect_here_is_at_least_in_the_kernels_files(house: House) -> None:
    """There is no swap and there are no huge pages to be used up, and a reservation shows only under pressure from outside."""
    kept = Kept(house, IDLE, memory="64M", memory_swap="100M", memory_reservation="16M", hugetlb_limits={"2M": "4M"})
    swap, pages = ("memory.memsw.limit_in_bytes", "memory.swap.max"), ("hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max")
    rest = ("memory.soft_limit_in_bytes", "memory.low")
    v1 = "memory" in hierarchy.mounted().v1
    # Version 2 counts swap alone.
    assert int(kept.reads("memory", *swap)) == (100 if v1 else 36) * MIB
    assert int(kept.reads("memory", *rest)) == 16 * MIB
    assert int(kept.reads("hugetlb", *pages)) == 4 * MIB
    kept.change(memory="64M", memory_swap="80M", memory_reservation="8M", hugetlb_limits={"2M": "2M"})
    assert int(kept.reads("memory", *swap)) == (80 if v1 else 16) * MIB
    assert int(kept.reads("memory", *rest)) == 8 * MIB
    assert int(kept.reads("hugetlb", *pages)) == 2 * MIB
    kept.change(memory="64M")
    assert int(kept.reads("memory", *swap)) == (64 if v1 else 0) * MIB


def test_swappiness_where_there_is_such_a_thing(house: House) -> None:
    kept = Kept(house, IDLE)
    if "memory" not in hierarchy.mounted().v1:
        with pytest.raises(
            Unsupported, match="memory_swappiness: the memory controller of cgroup v2 has no such thing"
        ):
            kept.change(memory_swappiness=10)
        return
    for value in (10, 0, 90):
        kept.change(memory_swappiness=value)
        assert kept.reads("memory", "memory.swappiness", "") == str(value)
