# SPDX-License-Identifier: GPL-3.0-or-later
"""Every resource is changed while the container runs: the same process before and after, and the kernel's files say so."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import hierarchy, resources
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError, InvalidSpec
from ansible_collections.berth.containers.tests.kernel.house import WAIT, House

# Two values of each that a host without a disk of its own can show.
CASES: dict[str, tuple[Any, Any]] = {
    "memory": ("64M", "96M"),
    "memory_swap": ("100M", "128M"),
    "memory_reservation": ("16M", "32M"),
    "memory_swappiness": (10, 20),
    "cpus": (0.5, 0.25),
    "cpu_shares": (256, 512),
    "cpuset_cpus": ("0", "1"),
    "pids_limit": (50, 60),
}
BESIDE = {"memory_swap": {"memory": "64M"}}


def files_of(made: dict[str, Any], parent: str) -> dict[str, str]:
    """What the kernel has in the files that resources are written to."""
    here, found = hierarchy.mounted(), {}
    for old, new in resources.CONTROLLERS:
        point = resources.place(here, old, new)
        directory = f"{point}/{parent}/{made['id']}"
        if point and os.path.isdir(directory):
            for name in os.listdir(directory):
                if not os.stat(f"{directory}/{name}").st_mode & 0o200:
                    continue
                with contextlib.suppress(OSError), open(f"{directory}/{name}") as file:
                    if name.startswith((old, new or old)) and "usage" not in name and "failcnt" not in name:
                        found[f"{old}/{name}"] = file.read()
    return found


def test_resources_change_live(house: House) -> None:
    name, parent = house.name(), house.paths.cgroup
    asked: dict[str, Any] = {"name": name, "image": "base", "network_mode": "none", "stop_timeout": 0, "command": WAIT}
    plain = house.ask("container", **asked).result["container"]
    bare = files_of(plain, parent)
    for option, values in CASES.items():
        seen = [bare]
        for value in (*values, None):
            params = {**asked, **BESIDE.get(option, {}), **({} if value is None else {option: value})}
            if value is None:
                params = asked
            foreseen = house.ask("container", check=True, **params)
            began = time.monotonic()
            done = house.ask("container", **params)
            assert time.monotonic() - began < 2
            assert (done.changed, done.before, done.after) == (True, foreseen.before, foreseen.after), option
            assert done.result["container"]["state"]["pid"] == plain["state"]["pid"], option
            assert not house.ask("container", **params).changed, option
            seen.append(files_of(plain, parent))
        assert seen[1] != seen[2], option
        assert {seen[1] != bare, seen[2] != bare} == {True}, option
        changed = {file for file in bare if seen[3][file] != bare[file]}
        assert changed == set(), (option, changed)


def test_what_the_kernel_refuses_is_in_neither_place(house: House) -> None:
    made = house.up(memory="64M")
    before = files_of(made, house.paths.cgroup)
    with pytest.raises(EngineError, match=r"^cpuset_cpus: "):
        house.ask("container", name=made["name"], image="base", command=WAIT, network_mode="none", stop_timeout=0,
                  memory="80M", cpuset_cpus="8000")  # fmt: skip
    assert house.info(made["name"])["spec"] == made["spec"]
    assert files_of(made, house.paths.cgroup) == before


def test_a_disk_is_looked_up(house: House) -> None:
    with pytest.raises(EngineError, match="device_read_bps: /dev/nowhere does not exist"):
        house.up(device_read_bps=["/dev/nowhere:1M"])
    with pytest.raises(InvalidSpec, match="device_read_bps: /etc/hosts is no device"):
        house.up(device_read_bps=["/etc/hosts:1M"])
