# SPDX-License-Identifier: GPL-3.0-or-later
"""A spec in the words of config.json: nothing is said that nobody asked for, and what was asked for is said once."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.container.bundling import _config
from ansible_collections.berth.containers.plugins.module_utils._engine.container.normalise import normalise
from ansible_collections.berth.containers.plugins.module_utils._engine.container.record import Record
from ansible_collections.berth.containers.plugins.module_utils._engine.container.resources import resources_of
from ansible_collections.berth.containers.plugins.module_utils._engine.container.spec import Spec
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec, NotFound
from ansible_collections.berth.containers.plugins.module_utils._engine.security.labels import Labels

KINDS = {"pid", "mount", "ipc", "uts", "cgroup", "network", "user", "time"}
NULL = {"major": 1, "minor": 3}


def spec(**params: Any) -> Spec:
    return normalise({"name": "web", "image": "base", "command": ["x"], **params})


def config(
    *, start: int | None = 1 << 29, shared: dict[str, int] | None = None, labels: Labels | None = None, **params: Any
) -> dict[str, Any]:
    record = Record(id="ab" * 32, spec=spec(**params), image="base", image_digest="", created=0.0, id_start=start)
    return _config(record, {}, own_network=True, home="/home", shared=shared or {}, labels=labels)


def spaces(made: dict[str, Any]) -> dict[str, str]:
    return {entry["type"]: entry.get("path", "") for entry in made["linux"]["namespaces"]}


def mount(made: dict[str, Any], target: str) -> dict[str, Any] | None:
    return next((entry for entry in made["mounts"] if entry["destination"] == target), None)


def test_a_container_has_everything_of_its_own() -> None:
    made = config()
    assert spaces(made) == dict.fromkeys(KINDS, "")
    assert made["linux"]["uidMappings"] == [{"containerID": 0, "hostID": 1 << 29, "size": 65_536}]
    assert made["hostname"] == "ab" * 6
    assert {"domainname", "apparmorProfile", "selinuxLabel", "mountLabel", "devices"}.isdisjoint(
        {*made, *made["process"], *made["linux"]}
    )


@pytest.mark.parametrize(
    ("option", "kind"), [("pid_mode", "pid"), ("ipc_mode", "ipc"), ("uts_mode", "uts"), ("cgroupns_mode", "cgroup")]
)
def test_what_is_the_hosts_is_left_out(option: str, kind: str) -> None:
    assert set(spaces(config(**{option: "host"}))) == KINDS - {kind}


def test_what_is_another_s_is_named_by_its_process() -> None:
    made = config(shared={"user": 7, "pid": 8, "ipc": 9}, pid_mode="container:a", ipc_mode="container:a")
    found = spaces(made)
    assert (found["user"], found["pid"], found["ipc"]) == ("/proc/7/ns/user", "/proc/8/ns/pid", "/proc/9/ns/ipc")
    assert "uidMappings" not in made["linux"]
    shm = mount(made, "/dev/shm")
    assert shm
    assert (shm["type"], shm["source"]) == ("bind", "/proc/9/root/dev/shm")


def test_shared_memory() -> None:
    plain, small, host = (mount(config(**p), "/dev/shm") for p in ({}, {"shm_size": "1M"}, {"ipc_mode": "host"}))
    assert plain and small and host
    assert "size=67108864" in plain["options"]
    assert "size=1048576" in small["options"]
    assert (host["type"], host["source"]) == ("bind", "/dev/shm")
    assert mount(config(ipc_mode="none"), "/dev/shm") is None


def test_the_process() -> None:
    labels = Labels(apparmor="p", process="l", files="f")
    made = config(ulimits=["nofile=1:2", "core=5"], umask="7", oom_score_adj=3, no_new_privileges=False, labels=labels)
    process = made["process"]
    limits = {entry["type"]: (entry["soft"], entry["hard"]) for entry in process["rlimits"]}
    assert limits == {"RLIMIT_NOFILE": (1, 2), "RLIMIT_CORE": (5, 5)}
    assert (process["user"]["umask"], process["oomScoreAdj"], process["noNewPrivileges"]) == (7, 3, False)
    assert (process["apparmorProfile"], process["selinuxLabel"], made["linux"]["mountLabel"]) == ("p", "l", "f")


def test_names_and_parameters() -> None:
    made = config(domainname="d", sysctls={"net.ipv4.ping_group_range": "1 0", "kernel.shmmax": "5"})
    assert made["domainname"] == "d"
    assert made["linux"]["sysctl"] == {
        "net.ipv4.ip_unprivileged_port_start": "0",
        "net.ipv4.ping_group_range": "1 0",
        "kernel.shmmax": "5",
    }
    assert "hostname" not in config(uts_mode="host")


def test_devices() -> None:
    made = config(devices=["/dev/null:/dev/x:r"], device_cgroup_rules=["c 189:* rw"])
    (node,) = made["linux"]["devices"]
    assert {key: node[key] for key in ("path", "type", "major", "minor", "fileMode")} == {
        "path": "/dev/x", "type": "c", **NULL, "fileMode": 0o666,
    }  # fmt: skip
    rules = made["linux"]["resources"]["devices"]
    assert rules[0] == {"allow": False, "access": "rwm"}
    assert rules[-2:] == [
        {"allow": True, "type": "c", **NULL, "access": "r"},
        {"allow": True, "type": "c", "major": 189, "access": "rw"},
    ]
    assert resources_of(spec(privileged=True))["devices"] == [{"allow": True, "access": "rwm"}]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"memory": "8M"}, {"memory": {"limit": 8 << 20, "swap": 8 << 20}}),
        ({"memory": "8M", "memory_swap": -1}, {"memory": {"limit": 8 << 20, "swap": -1}}),
        ({"memory_reservation": 5, "memory_swappiness": 0}, {"memory": {"reservation": 5, "swappiness": 0}}),
        ({"cpus": 0.5}, {"cpu": {"quota": 50_000, "period": 100_000}}),
        ({"cpu_quota": 5000, "cpu_shares": 9}, {"cpu": {"quota": 5000, "shares": 9}}),
        ({"cpuset_cpus": "0", "cpuset_mems": "0"}, {"cpu": {"cpus": "0", "mems": "0"}}),
        ({"pids_limit": -1}, {"pids": None}),
        ({"hugetlb_limits": {"2M": 4}}, {"hugepageLimits": [{"pageSize": "2MB", "limit": 4}]}),
        ({"blkio_weight": 50}, {"blockIO": {"weight": 50}}),
        ({"blkio_weight_device": ["/dev/null:60"]}, {"blockIO": {"weightDevice": [{**NULL, "weight": 60}]}}),
        ({"device_write_iops": ["/dev/null:7"]}, {"blockIO": {"throttleWriteIOPSDevice": [{**NULL, "rate": 7}]}}),
    ],
)
def test_resources(params: dict[str, Any], said: dict[str, Any]) -> None:
    found, plain = resources_of(spec(**params)), resources_of(spec())
    assert {key: found.get(key) for key in said} == said
    assert {key: value for key, value in found.items() if key not in said} == {
        key: value for key, value in plain.items() if key not in said
    }


def test_devices_that_are_none() -> None:
    with pytest.raises(NotFound, match="device_read_bps: /dev/nowhere does not exist"):
        resources_of(spec(device_read_bps=["/dev/nowhere:1"]))
    with pytest.raises(InvalidSpec, match="device_read_bps: /etc/passwd is no device"):
        resources_of(spec(device_read_bps=["/etc/passwd:1"]))
