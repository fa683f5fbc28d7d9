# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way to the engine and the way through a module are one to who writes a playbook: same results, same failures."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import World

MADE = {"name": "made", "image": "ground", "command": "sleep 3600", "stop_timeout": "1s", "network_mode": "none"}
TASKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("container", {**MADE, "state": "present"}),
    ("container", {**MADE, "state": "present"}),
    ("container", {**MADE, "state": "present", "label": {"a": 1}}),
    ("container_info", {"name": ["made", "nobody"]}),
    ("container_image_info", {}),
    ("container", {"name": "made", "state": "absent"}),
    ("container", {"name": "made", "state": "absent"}),
)
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("container", {"name": "made", "image": "nowhere"}),
    ("container", {"name": "a/b", "image": "ground"}),
    ("container", {"name": "made", "image": "ground", "state": "sideways"}),
    ("container", {"name": "made", "image": "ground", "pids_limit": "many"}),
    ("container", {"name": "made", "image": "ground", "unknown": 1}),
    ("container", {"image": "ground"}),
)
# They differ from one container to the next of the same name.
OWN = ("id", "cgroup", "created", "userns_start", "hostname", "upper", "log_path")


@pytest.fixture(scope="module", autouse=True)
def ground(world: World) -> None:
    world.run("container_image", {"name": "ground", "bootstrap": "busybox"})


def play(world: World, *, direct: bool) -> list[dict[str, Any]]:
    tasks = [
        {"name": str(number), f"berth.containers.{module}": {**options, "root": str(world.root)}, "ignore_errors": True}
        for number, (module, options) in enumerate((*TASKS, *FAULTS))
    ]
    run = world.ansible.play(tasks, "--diff", berth_direct=direct).ok()
    return [run[task["name"]] for task in tasks]


def failures(world: World, task: tuple[str, dict[str, Any]], *, direct: bool) -> list[str]:
    module, options = task
    tasks = [{"name": "step", f"berth.containers.{module}": {**options, "root": str(world.root)}}]
    return world.ansible.play(tasks, berth_direct=direct).failures


def without_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_own(item) for key, item in value.items() if key not in OWN}
    return [without_own(item) for item in value] if isinstance(value, list) else value


def test_both_ways_say_the_same(world: World) -> None:
    short, long = play(world, direct=True), play(world, direct=False)
    for number, task in enumerate((*TASKS, *FAULTS)):
        ours, theirs = (without_own(result[number]) for result in (short, long))
        for result in (ours, theirs):
            result.pop("ansible_facts", None)
            given = result.pop("invocation", {}).get("module_args", {})
            assert given == {} or task[1].get("name", given.get("name")) == given.get("name")
        assert ours == theirs, task
    assert [result["changed"] for result in short[: len(TASKS)]] == [True, False, True, False, False, True, False]
    assert all(result["msg"] for result in short[len(TASKS) :])
    assert failures(world, FAULTS[0], direct=True) == failures(world, FAULTS[0], direct=False) != []


def test_the_tasks_environment_counts(world: World) -> None:
    """$BERTH_ROOT is the host's and the task's to set, never the controller's."""
    task = {"name": "ask", "berth.containers.container_image_info": {}, "environment": {"BERTH_ROOT": str(world.root)}}
    run = world.ansible.play([task], environment={"BERTH_ROOT": "/nowhere"}).ok()
    assert [image["name"] for image in run["ask"]["images"]] == ["ground:latest"]


def test_the_short_way_leaves_no_temporary_directory(world: World) -> None:
    """A module has to be copied to the host; a request has not."""
    options = {**MADE, "state": "absent", "root": str(world.root)}
    tasks = [{"name": "ask", "berth.containers.container": options}]
    short = world.ansible.play(tasks, "-vvv", berth_direct=True).ok()
    long = world.ansible.play(tasks, "-vvv", berth_direct=False).ok()
    assert "AnsiballZ_container" in long.output
    assert "AnsiballZ_container" not in short.output
