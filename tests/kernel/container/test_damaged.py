# SPDX-License-Identifier: GPL-3.0-or-later
"""A container whose record a disk or a power cut has damaged is no reason for others to suffer, and can be taken away."""

from __future__ import annotations

import os
import pathlib

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import hierarchy
from ansible_collections.berth.containers.plugins.module_utils._engine.container import record as records
from ansible_collections.berth.containers.plugins.module_utils._engine.container.remove import remove
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Conflict, Damaged
from ansible_collections.berth.containers.tests.kernel.house import DEAF, House, a_house, in_child


def hurt(house: House, ident: str, how: str) -> None:
    """Its record as a bad disk leaves it."""
    path = pathlib.Path(house.paths.container(ident), "record.json")
    data = path.read_bytes()
    path.write_bytes(
        {"empty": b"", "half": data[: len(data) // 2], "one bit": data[:60] + bytes((data[60] ^ 1,)) + data[61:]}[how]
    )


@pytest.mark.parametrize("how", ["empty", "half", "one bit"])
def test_the_others_go_on(house: House, how: str) -> None:
    bad, good = house.up(), house.up()
    hurt(house, bad["id"], how)
    answer = house.ask("container_info")
    assert [one["name"] for one in answer.result["containers"]] == [good["name"]]
    (warning,) = answer.warnings
    assert warning.startswith(
        f"container {bad['name']}: {house.paths.container(bad['id'])}/record.json is not a record: remove"
    )
    assert house.exec(good["name"], ["true"]).code == 0
    for params in ({"image": "base"}, {"state": "stopped"}):
        with pytest.raises(Damaged, match=f"^container {bad['name']}: "):
            house.ask("container", name=bad["name"], network_mode="none", **params)
    foreseen = house.ask("container", check=True, name=bad["name"], state="absent")
    assert (foreseen.changed, foreseen.before) == (True, {"name": bad["name"], "state": "running"})
    done = house.ask("container", name=bad["name"], state="absent")
    assert (done.changed, done.before, done.after) == (True, foreseen.before, {"state": "absent"})
    assert not house.ask("container", name=bad["name"], state="absent").changed
    assert house.info(good["name"])["state"]["running"]


@pytest.mark.parametrize("state", ["started", "present"])
def test_nothing_of_it_is_left(house: House, state: str) -> None:
    """Its address, ports, ids, group and processes go with it, also out of a group of somebody's own; the house looks for the rest."""
    parent = f"berth-damaged-{os.getpid()}"
    name = house.name()
    asked = {
        "name": name,
        "image": "base",
        "command": DEAF,
        "stop_timeout": 0,
        "published_ports": ["127.0.0.1:18371:80"],
        "cgroup_parent": parent,
    }
    made = house.ask("container", **asked, network_mode="bridge", state=state).result["container"]
    hurt(house, made["id"], "half")
    record = records.find(house.paths, name, anyhow=True)
    assert record.id_start == made["userns_start"]
    try:
        if state == "started":
            with pytest.raises(Conflict, match="runs: stop it first"):
                in_child(lambda: remove(house.paths, record))
        house.ask("container", name=name, state="absent")
        assert not os.path.exists(f"{house.paths.leases}/ids-{(made['userns_start'] - (1 << 29)) // 65_536}")
        assert not [
            point for point in hierarchy.mounted().mount_points() if os.path.exists(f"{point}/{parent}/{made['id']}")
        ]
        # All that it held can be had again.
        assert house.ask("container", **asked, network_mode="bridge").changed
        house.ask("container", name=name, state="absent")
    finally:
        for point in hierarchy.mounted().mount_points():
            if os.path.isdir(f"{point}/{parent}"):
                os.rmdir(f"{point}/{parent}")


def test_a_whole_root_goes_with_it(tmp_path: pathlib.Path) -> None:
    with a_house(str(tmp_path / "root")) as house:
        made = house.up()
        hurt(house, made["id"], "empty")
        assert house.ask("purge", force=True).before["containers"] == [made["name"]]
        assert not os.path.exists(f"/proc/{made['state']['pid']}")
        assert house.left() == []
