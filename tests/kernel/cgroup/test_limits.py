# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits, proven by what happens to who goes over them. Every bomb is bounded twice: by its limit and by a time-out."""

from __future__ import annotations

import os
import pathlib
import time

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import group, hierarchy, places
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.tests.kernel.house import DEAF, House, in_child, wait_until

HOG = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo survived ${#x}"
BURN = ["sh", "-c", "while :; do :; done & while :; do :; done"]


def usage(house: House, ident: str) -> float:
    """Seconds of CPU time that a container has used, as the kernel counts them."""
    here = hierarchy.mounted()
    point = here.v1.get("cpuacct")
    home = f"{point or here.v2}/{house.paths.kernel_name('berth')}/{ident}"
    if point:
        return int(pathlib.Path(f"{home}/cpuacct.usage").read_text()) / 1e9
    return int(pathlib.Path(f"{home}/cpu.stat").read_text().split()[1]) / 1e6


def measured(house: House, ident: str, seconds: float) -> float:
    before, begun = usage(house, ident), time.monotonic()
    time.sleep(seconds)
    return (usage(house, ident) - before) / (time.monotonic() - begun)


def test_a_memory_hog_dies_alone(house: House) -> None:
    other = house.up()
    hog = house.up(["timeout", "30", "sh", "-c", HOG], memory="16M", pids_limit=20)
    # timeout(1) is the first process; it tells that its child was killed.
    ended = house.ended(hog["name"], 35)
    assert (ended["exit_code"], ended["oom_killed"]) == (137, True)
    assert not [line for line in house.log(hog["name"]) if "survived" in line["log"]]
    assert house.info(other["name"])["state"]["status"] == "running"
    assert house.exec(other["name"], ["true"]).code == 0


def test_a_hog_that_is_the_first_process(house: House) -> None:
    hog = house.up(["sh", "-c", HOG], memory="16M", pids_limit=20)
    ended = house.ended(hog["name"], 35)
    assert (ended["exit_code"], ended["oom_killed"]) == (137, True)
    # What it does within the limit is fine, and nobody is said to have been killed.
    modest = house.up(["sh", "-c", "x=$(head -c 2000000 /dev/zero | tr '\\0' x); exit 3"], memory="64M")
    ended = house.ended(modest["name"])
    assert (ended["exit_code"], ended["oom_killed"]) == (3, False)


def test_who_joins_is_counted_too(house: House) -> None:
    made = house.up(DEAF, memory="16M", pids_limit=20)
    done = house.exec(made["name"], HOG)
    assert done.code != 0
    assert "survived" not in done.out


def test_half_a_cpu_is_half_a_cpu(house: House) -> None:
    made = house.up(BURN, cpus=0.5)
    used = measured(house, made["id"], 2.0)
    assert used <= 0.55
    assert used >= 0.2, "the burner did not burn: nothing was proven"


def test_a_fork_bomb_stops_at_the_limit(house: House) -> None:
    script = "sh -c 'for i in $(seq 60); do sleep 20 & done; echo all started'; exec sleep 20"
    made = house.up(["sh", "-c", script], pids_limit=16)
    count = f"{hierarchy.mounted().v1.get('pids') or hierarchy.mounted().v2}/{house.paths.kernel_name('berth')}/{made['id']}"
    wait_until(lambda: [line for line in house.log(made["name"]) if "fork" in line["log"]])
    wait_until(lambda: int(pathlib.Path(f"{count}/pids.current").read_text()) <= 16)
    assert int(pathlib.Path(f"{count}/pids.current").read_text()) >= 10
    assert not [line for line in house.log(made["name"]) if "all started" in line["log"]]
    assert pathlib.Path(f"{count}/pids.max").read_text().strip() == "16"


def test_everybody_has_a_limit_on_processes_unless_it_is_lifted(house: House) -> None:
    here = hierarchy.mounted()
    for asked, held in (({}, "2048"), ({"pids_limit": -1}, "max"), ({"pids_limit": 7}, "7")):
        made = house.up(**asked)  # type: ignore[arg-type]
        home = f"{here.v1.get('pids') or here.v2}/{house.paths.kernel_name('berth')}/{made['id']}"
        assert pathlib.Path(f"{home}/pids.max").read_text().strip() == held


def test_limits_change_while_it_runs(house: House) -> None:
    first = house.up(BURN, cpus=0.2, pids_limit=20)
    assert measured(house, first["id"], 1.0) <= 0.27
    again = house.ask(
        "container", name=first["name"], image="base", network_mode="none", stop_timeout=0, command=BURN,
        cpus=0.6, pids_limit=21, memory="32M", labels={"a": "b"},
    )  # fmt: skip
    assert again.changed
    now = house.info(first["name"])
    assert (now["state"]["pid"], now["id"], now["labels"]) == (first["state"]["pid"], first["id"], {"a": "b"})
    assert 0.3 <= measured(house, first["id"], 1.0) <= 0.66
    assert house.exec(first["name"], HOG).code != 0
    # And lifted again.
    house.ask("container", name=first["name"], image="base", network_mode="none", stop_timeout=0, command=BURN)
    assert house.info(first["name"])["state"]["pid"] == first["state"]["pid"]
    home = f"{hierarchy.mounted().v1.get('pids') or hierarchy.mounted().v2}/{house.paths.kernel_name('berth')}/{first['id']}"
    assert pathlib.Path(f"{home}/pids.max").read_text().strip() == "2048"


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"memory": "5M"}, "6 MiB"),
        ({"memory": 0x5FFFFF}, "6 MiB"),
        ({"memory": "lots"}, "memory"),
        ({"memory": "64Q"}, "memory"),
        ({"memory": "-1M"}, "memory"),
        ({"cpus": 0.001}, "cpus"),
        ({"cpus": "many"}, "cpus"),
        ({"pids_limit": "few"}, "pids_limit"),
    ],
)
def test_limits_that_make_no_sense(house: House, bad: dict[str, object], match: str) -> None:
    with pytest.raises(InvalidSpec, match=match):
        house.up(**bad)
    assert house.left() == []


def test_a_frozen_group_stands_still(house: House) -> None:
    made = house.up(BURN, cpus=0.5)
    here, parent = hierarchy.mounted(), house.paths.kernel_name("berth")
    in_child(lambda: group.freeze(here, parent, made["id"], frozen=True))
    try:
        before = usage(house, made["id"])
        time.sleep(0.2)
        assert usage(house, made["id"]) - before < 0.01
    finally:
        in_child(lambda: group.freeze(here, parent, made["id"], frozen=False))
    assert measured(house, made["id"], 0.5) > 0.1


def test_the_group_goes_with_the_container(house: House) -> None:
    made = house.up()
    homes = places.directories(hierarchy.mounted(), house.paths.kernel_name("berth"), made["id"])
    assert all(os.path.isdir(home) for home in homes)
    house.ask("container", name=made["name"], state="stopped", image="base")
    assert not any(os.path.isdir(home) for home in homes)
