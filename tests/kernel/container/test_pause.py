# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that stand still: by wish, through every door, and no longer than wished."""

from __future__ import annotations

import json
import pathlib
import time
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import group, hierarchy
from ansible_collections.berth.containers.plugins.module_utils._engine.container import freezing, stop
from ansible_collections.berth.containers.plugins.module_utils._engine.container import record as records
from ansible_collections.berth.containers.plugins.module_utils._engine.container.remove import remove
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Conflict
from ansible_collections.berth.containers.tests.kernel.house import DEAF, WAIT, House, in_child, wait_until

COUNT = ["sh", "-c", "n=0; while :; do n=$((n+1)); echo $n > /tmp/n; done"]


def count(made: dict[str, Any]) -> int:
    """How far it is; 0 when it stands still before it has written anything."""
    file = pathlib.Path(made["upper"], "tmp/n")
    return int((file.exists() and file.read_text().strip()) or 0)


def task(house: House, name: str, state: str, *, check: bool = False, **more: Any) -> Any:
    return house.ask(
        "container", check=check, name=name, image="base", network_mode="none", stop_timeout=0, state=state, **more
    )


def test_a_task_pauses_and_lets_go_on(house: House) -> None:
    name = house.name()
    wanted = {"command": COUNT, "cpus": 0.3}
    for check, changed in ((True, True), (False, True), (False, False), (True, False)):
        answer = task(house, name, "paused", check=check, **wanted)
        assert answer.changed is changed
        assert answer.after["state"] == "paused"
    state = house.info(name)["state"]
    assert (state["status"], state["running"], state["paused"]) == ("paused", True, True)
    made = house.info(name)
    before = count(made)
    time.sleep(0.2)
    assert count(made) == before
    # Other limits, while it stands still; and nobody wakes it by looking.
    assert task(house, name, "present", **{**wanted, "pids_limit": 9}).changed
    assert house.info(name)["state"]["paused"]
    answer = task(house, name, "started", **{**wanted, "pids_limit": 9})
    assert (answer.changed, answer.before["state"], answer.after["state"]) == (True, "paused", "running")
    assert house.info(name)["state"]["pid"] == state["pid"]
    wait_until(lambda: count(made) > before)
    assert not task(house, name, "started", **{**wanted, "pids_limit": 9}).changed


def test_nothing_gets_in_and_nothing_wakes_it_by_the_way(house: House) -> None:
    made = house.up(COUNT, cpus=0.3)
    wait_until(lambda: count(made))
    task(house, made["name"], "paused", command=COUNT, cpus=0.3)
    with pytest.raises(Conflict, match="is paused: unpause it first"):
        house.exec(made["name"], ["true"])
    house.ask("container_commit", container=made["name"], name="still")
    house.ask("container_image", name="still", state="absent")
    before = count(made)
    time.sleep(0.1)
    assert count(made) == before
    assert house.info(made["name"])["state"]["paused"]


@pytest.mark.parametrize("how", ["stop", "kill", "remove"])
def test_a_paused_container_ends_as_others_do(house: House, how: str) -> None:
    made = house.up(WAIT if how == "stop" else DEAF)
    record = records.find(house.paths, made["name"])
    assert in_child(lambda: freezing.pause(house.paths, record)) is True
    assert in_child(lambda: freezing.pause(house.paths, record)) is False
    begun = time.monotonic()
    if how == "remove":
        in_child(lambda: remove(house.paths, record, force=True))
        assert house.info(made["name"]) == {}
    else:
        in_child(lambda: stop.stop(house.paths, (record,), timeout=5, signal_name="SIGKILL" if how == "kill" else None))
        state = house.info(made["name"])["state"]
        assert (state["status"], state["exit_code"]) == ("exited", 137 if how == "kill" else 0)
        assert not state["paused"]
        assert task(house, made["name"], "started", command=WAIT).after["state"] == "running"
    assert time.monotonic() - begun < 5


def test_only_what_runs_can_pause(house: House) -> None:
    made = house.up()
    record = records.find(house.paths, made["name"])
    assert in_child(lambda: freezing.unpause(house.paths, record)) is False
    in_child(lambda: stop.stop(house.paths, (record,)))
    for work in (freezing.pause, freezing.unpause):
        with pytest.raises(Conflict, match="does not run"):
            in_child(lambda work=work: work(house.paths, record))  # type: ignore[misc]


def test_killed_on_its_way_it_was_not_paused(house: House) -> None:
    """A group that is frozen without a word about it was left so: the next command lets it go on."""
    made = house.up(COUNT, cpus=0.3)
    parent = house.paths.kernel_name("berth")
    in_child(lambda: group.freeze(hierarchy.mounted(), parent, made["id"], frozen=True))
    assert house.info(made["name"])["state"]["status"] == "running"
    assert house.exec(made["name"], ["true"]).code == 0
    # And the other way: a word about it, but it goes on. The next command makes both agree.
    record = records.find(house.paths, made["name"])
    in_child(lambda: freezing.pause(house.paths, record))
    in_child(lambda: group.freeze(hierarchy.mounted(), parent, made["id"], frozen=False))
    task(house, made["name"], "started", command=COUNT, cpus=0.3)
    assert not house.info(made["name"])["state"]["paused"]
    json.dumps(house.info(made["name"]))
