# SPDX-License-Identifier: GPL-3.0-or-later
"""For every option: asked for twice it is unchanged, changed or left out it is applied in place or by a new container, and told so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.container.converge import Actual, plan
from ansible_collections.berth.containers.plugins.module_utils._engine.container.normalise import normalise
from ansible_collections.berth.containers.plugins.module_utils._engine.container.record import Record
from ansible_collections.berth.containers.plugins.module_utils._engine.container.spec import Spec, from_record
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths

# Two values of each; "" for what is read as no opinion is no change from leaving it out.
VALUES: dict[str, tuple[Any, Any]] = {
    "image": ("base", "other"),
    "command": ("a b", ["a"]),
    "entrypoint": (["x"], []),
    "env": ({"A": 1}, {"A": 2}),
    "user": ("1", "2"),
    "working_dir": ("/a", "/b"),
    "hostname": ("a", "b"),
    "labels": ({"a": "1"}, {"b": "1"}),
    "memory": ("64M", "65M"),
    "cpus": (0.5, 1),
    "pids_limit": (10, -1),
    "read_only": (True, False),
    "tmpfs": (["/a"], ["/a:size=1m"]),
    "volumes": (["/a:/b"], ["/a:/b:ro"]),
    "network_mode": ("none", "host"),
    "published_ports": (["80"], ["81"]),
    "dns_servers": (["9.9.9.9"], ["1.1.1.1"]),
    "etc_hosts": ({"a": "1.1.1.1"}, {"a": "1.1.1.2"}),
    "stop_signal": ("INT", "HUP"),
    "stop_timeout": (1, "2s"),
    "auto_remove": (True, False),
    "cap_add": (["KILL"], ["NET_RAW"]),
    "cap_drop": (["KILL"], ["ALL"]),
    "privileged": (True, False),
    "userns_mode": ("nomap", "container:x"),
    "tty": (True, False),
    "interactive": (True, False),
    "memory_swap": ("128M", -1),
    "memory_reservation": ("1M", "2M"),
    "memory_swappiness": (0, 100),
    "cpu_shares": (2, 512),
    "cpu_quota": (1000, 2000),
    "cpu_period": (1000, 2000),
    "cpuset_cpus": ("0", "0-1"),
    "cpuset_mems": ("0", "1"),
    "blkio_weight": (10, 1000),
    "blkio_weight_device": (["/dev/a:10"], ["/dev/a:11"]),
    "device_read_bps": (["/dev/a:1M"], [{"path": "/dev/b", "rate": "1M"}]),
    "device_write_bps": (["/dev/a:1M"], ["/dev/a:2M"]),
    "device_read_iops": (["/dev/a:1"], ["/dev/a:2"]),
    "device_write_iops": (["/dev/a:1"], ["/dev/a:2"]),
    "hugetlb_limits": ({"2M": "2M"}, {"2M": "4M"}),
    "devices": (["/dev/null"], ["/dev/null:r"]),
    "device_cgroup_rules": (["c 1:1 r"], ["c *:1 r"]),
    "security_opts": (["seccomp=unconfined"], ["apparmor=unconfined"]),
    "no_new_privileges": (False, True),
    "ulimits": (["nofile=1"], ["nofile=1:2"]),
    "sysctls": ({"net.a": 1}, {"net.a": 2}),
    "oom_score_adj": (0, 1),
    "shm_size": ("1M", "2M"),
    "ipc_mode": ("shareable", "none"),
    "pid_mode": ("host", "container:x"),
    "uts_mode": ("host", "private"),
    "cgroupns_mode": ("host", "private"),
    "cgroup_parent": ("/a", "/b"),
    "groups": (["1"], ["1", "2"]),
    "domainname": ("a", "b"),
    "umask": ("0", "77"),
}
LIVE = {
    "labels", "stop_signal", "stop_timeout", "memory", "cpus", "pids_limit", "memory_swap", "memory_reservation", "memory_swappiness",
    "cpu_shares", "cpu_quota", "cpu_period", "cpuset_cpus", "cpuset_mems", "blkio_weight", "blkio_weight_device", "device_read_bps",
    "device_write_bps", "device_read_iops", "device_write_iops", "hugetlb_limits",
}  # fmt: skip
BESIDE = {"memory_swap": {"memory": "64M"}}


def spec(option: str, **params: Any) -> Spec:
    return normalise({"name": "web", "image": "base", **BESIDE.get(option, {}), **params})


def step_from(before: Spec, after: Spec) -> str:
    """What a task does about the difference, "" for nothing, once the record went through its file."""
    record = Record(
        id="0" * 64,
        spec=from_record(json.loads(json.dumps(before.as_dict()))),
        image="base:latest",
        image_digest="sha256:1",
        created=0.0,
        id_start=None,
    )
    actual = Actual(record=record, status="running", digest="sha256:1")
    made = plan(Paths("/nowhere"), after, "started", actual, recreate=False)
    assert made.changed == (made.before != made.after)
    if made.changed:
        told = {name for name in Spec._fields if made.before[name] != made.after[name]}
        assert told == {name for name in Spec._fields if getattr(before, name) != getattr(after, name)}
    return " ".join(step.what for step in made.steps)


def test_every_option_is_in_the_table() -> None:
    assert set(VALUES) == set(Spec._fields) - {"name"}
    assert set(Spec._live) == LIVE


@pytest.mark.parametrize("option", VALUES)
def test_an_option_changes_what_it_must(option: str) -> None:
    one, other = (spec(option, **{option: value}) for value in VALUES[option])
    without = spec(option)
    how = f"change {option} of container web" if option in LIVE else "recreate container web"
    assert step_from(one, one) == step_from(other, other) == ""
    assert step_from(one, other) == step_from(other, one) == how
    for value in (one, other):
        assert step_from(value, without) == step_from(without, value) == ("" if value == without else how)
