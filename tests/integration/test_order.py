# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module that changes something, in one order: check, run, run again, check again, absent, absent again."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import pytest

from .conftest import World

SLEEP = {"image": "ground", "command": ["sleep", "3600"], "stop_timeout": "1s"}
ABSENT = {"state": "absent"}

IMAGE = ("container_image", {"name": "made", "bootstrap": "busybox", "env": {"A": "1"}}, {"name": "made", **ABSENT})
CONTAINER = (
    "container",
    {
        "name": "made",
        **SLEEP,
        "memory": "64M",
        "env": {"A": "1"},
        "labels": {"b": "2"},
        "published_ports": ["127.0.0.1:18099:80"],
    },
    {"name": "made", **ABSENT},
)
ISOLATED = (
    "container",
    {
        "name": "made",
        **SLEEP,
        "network_mode": "none",
        "devices": ["/dev/null:/dev/sink"],
        "device_cgroup_rules": ["c 189:* rmw"],
        "security_opts": ["unmask=/proc/interrupts", "no-new-privileges:true"],
        "ulimits": ["nofile=100:200"],
        # Before Linux 6.8 or so there is no net.core in a namespace that is not the host's root's.
        "sysctls": {"net.ipv4.tcp_fin_timeout": 99},
        "oom_score_adj": 50,
        "shm_size": "4M",
        "ipc_mode": "shareable",
        "userns_mode": "nomap",
        "uts_mode": "host",
        "groups": [42, "tty"],
        "umask": "0027",
        "memory": "64M",
        "memory_swap": -1,
        "cpu_shares": 100,
        "cpuset_cpus": "0",
        "device_read_bps": [],
    },
    {"name": "made", **ABSENT},
)
CREATED = (
    "container",
    {"name": "made", **SLEEP, "state": "present", "network_mode": "none"},
    {"name": "made", **ABSENT},
)
ENVIRONMENT = (
    "environment",
    {
        "images": [{"name": "made", "bootstrap": "busybox", "labels": {"a": "b"}}],
        "containers": [{"name": f"made-{number}", **SLEEP, "image": "made"} for number in range(3)],
    },
    {
        "images": [{"name": "made", **ABSENT}],
        "containers": [{"name": f"made-{number}", **ABSENT} for number in range(3)],
    },
)
TAG = ("container_image_tag", {"image": "ground", "name": "made:2"}, {"name": "made:2", **ABSENT})


@pytest.fixture(scope="module", autouse=True)
def ground(world: World) -> None:
    world.run("container_image", {"name": "ground", "bootstrap": "busybox"})


def predicted(world: World, module: str, options: dict[str, Any]) -> dict[str, Any]:
    """What check mode says; it must leave everything as it was."""
    before = world.census()
    result = world.run(module, options, "--check")
    assert world.census() == before
    return result


def steps(world: World, module: str, options: dict[str, Any], *, change: bool) -> None:
    """Check mode and the run after it say the same."""
    expected = predicted(world, module, options)
    result = world.run(module, options)
    assert (expected["changed"], result["changed"]) == (change, change)
    assert result["diff"] == expected["diff"]
    assert (result["diff"]["before"] != result["diff"]["after"]) is change


@pytest.mark.parametrize(
    ("module", "present", "absent"),
    [IMAGE, CONTAINER, ISOLATED, CREATED, ENVIRONMENT, TAG],
    ids=[
        "container_image",
        "container",
        "container-isolated",
        "container-present",
        "environment",
        "container_image_tag",
    ],
)
def test_the_order(world: World, module: str, present: dict[str, Any], absent: dict[str, Any]) -> None:
    steps(world, module, present, change=True)
    steps(world, module, present, change=False)
    assert predicted(world, module, present)["changed"] is False
    steps(world, module, absent, change=True)
    steps(world, module, absent, change=False)


def test_the_order_of_a_commit(world: World) -> None:
    options = {"container": "workshop", "name": "committed", "changes": ['CMD ["true"]'], "author": "tests"}
    world.run("container", {"name": "workshop", **SLEEP})
    write = {"container": "workshop", "command": ["sh", "-c", "echo changed > /etc/motd"], "creates": "/etc/motd"}
    assert predicted(world, "container_exec", write)["changed"] is True
    assert world.run("container_exec", write)["changed"] is True
    assert world.run("container_exec", write)["changed"] is False
    assert predicted(world, "container_exec", write)["changed"] is False
    steps(world, "container_commit", options, change=True)
    first = world.run("container_image_info", {"name": ["committed"]})["images"]
    steps(world, "container_commit", options, change=False)
    assert world.run("container_image_info", {"name": ["committed"]})["images"] == first
    world.run("container", {"name": "workshop", **ABSENT})
    steps(world, "container_image", {"name": "committed", **ABSENT}, change=True)


@pytest.mark.parametrize(
    ("name", "change", "live"),
    [
        ("memory", {"memory": "128M"}, True),
        ("labels", {"labels": {}}, True),
        ("env", {"env": {"A": "2"}}, False),
        ("env-gone", {"env": None}, False),
        ("read_only", {"read_only": True}, False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_difference_is_predicted_and_made(world: World, name: str, change: dict[str, Any], live: bool) -> None:
    base = {
        "name": "altered",
        **SLEEP,
        "memory": "64M",
        "env": {"A": "1"},
        "labels": {"b": "2"},
        "network_mode": "none",
    }
    other = {key: value for key, value in {**base, **change}.items() if value is not None}
    first = world.run("container", base)["container"]
    steps(world, "container", other, change=True)
    (now,) = world.run("container_info", {"name": ["altered"]})["containers"]
    assert (now["id"] == first["id"]) is live
    steps(world, "container", other, change=False)


def test_stop_and_start(world: World) -> None:
    options = {"name": "halted", **SLEEP, "network_mode": "none"}
    world.run("container", options)
    steps(world, "container", {**options, "state": "stopped"}, change=True)
    steps(world, "container", {**options, "state": "stopped"}, change=False)
    steps(world, "container", {**options, "state": "present"}, change=False)
    steps(world, "container", {"name": "halted", "state": "started"}, change=True)
    steps(world, "container", {"name": "halted", "state": "stopped"}, change=True)
    steps(world, "container", {"name": "halted", **ABSENT}, change=True)


def test_the_order_of_a_prune_and_of_sharing(world: World, tmp_path: pathlib.Path) -> None:
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own").write_text(name)
        (tmp_path / name / "alike").write_bytes(b"alike" * 2000)
        os.utime(tmp_path / name / "alike", (1_600_000_000, 1_600_000_000))
        world.run("container_image", {"name": name, "rootfs": str(tmp_path / name), "labels": {"go": "away"}})
    steps(world, "container_image_dedupe", {}, change=True)
    steps(world, "container_image_dedupe", {}, change=False)
    before = world.run("container_host_info", {})
    assert {item["name"]: item["shared"] for item in before["images"]}["left:latest"] >= 10_000
    options = {"all": True, "labels": ["go=away"]}
    freed = predicted(world, "container_prune", options)["bytes_freed"]
    assert world.run("container_prune", options)["bytes_freed"] == freed > 10_000
    steps(world, "container_prune", options, change=False)
    after = world.run("container_host_info", {})["totals"]["images"]["size"]
    assert before["totals"]["images"]["size"] - after == freed


def test_recreate_makes_it_anew_every_time(world: World) -> None:
    options = {"name": "renewed", **SLEEP, "network_mode": "none"}
    first = world.run("container", options)["container"]["id"]
    second = world.run("container", {**options, "recreate": True})
    assert second["changed"] is True
    assert second["container"]["id"] != first
    world.run("container", {"name": "renewed", **ABSENT})


@pytest.mark.parametrize("module", ["container", "container_image"])
def test_two_tasks_at_once_make_it_once(world: World, module: str) -> None:
    options = {"container": {"name": "raced", **SLEEP}, "container_image": {"name": "raced", "bootstrap": "busybox"}}[
        module
    ]
    hosts = {f"host{number}": {"ansible_connection": "local"} for number in range(4)}
    task = {"name": "make", f"berth.containers.{module}": {"root": str(world.root), **options}}
    run = world.ansible.play([task], "-f", "4", inventory=world.ansible.inventory(hosts)).ok()
    assert [line["result"]["changed"] for line in run.lines].count(True) == 1
    world.run(module, {"name": "raced", **ABSENT})
