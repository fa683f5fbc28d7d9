# SPDX-License-Identifier: GPL-3.0-or-later
"""`linux.resources` as values in files: every property, both versions, and the order that a live kernel takes."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import cpu, resources, writing
from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup.hierarchy import Hierarchy
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    Conflict,
    InvalidSpec,
    KernelError,
    Unsupported,
)

G = 1 << 30
LIMIT, MEMSW = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"


def first(asked: dict[str, Any], controller: str, *, v2: bool) -> list[tuple[str, str]]:
    return [write.tries[0][:2] for write in resources.writes(asked, controller, v2=v2)]


@pytest.mark.parametrize(
    ("memory", "old", "new"),
    [
        ({}, [], []),
        ({"limit": G}, [(MEMSW, "-1"), (LIMIT, str(G))], [("memory.max", str(G))]),
        (
            {"limit": G, "swap": G},
            [(MEMSW, "-1"), (LIMIT, str(G)), (MEMSW, str(G))],
            [("memory.swap.max", "0"), ("memory.max", str(G))],
        ),
        (
            {"limit": G, "swap": 3 * G},
            [(MEMSW, "-1"), (LIMIT, str(G)), (MEMSW, str(3 * G))],
            [("memory.swap.max", str(2 * G)), ("memory.max", str(G))],
        ),
        (
            {"limit": G, "swap": -1},
            [(MEMSW, "-1"), (LIMIT, str(G))],
            [("memory.swap.max", "max"), ("memory.max", str(G))],
        ),
        ({"limit": -1}, [(MEMSW, "-1"), (LIMIT, "-1")], [("memory.swap.max", "max"), ("memory.max", "max")]),
        ({"swap": -1}, [(MEMSW, "-1")], [("memory.swap.max", "max")]),
        ({"reservation": 5}, [("memory.soft_limit_in_bytes", "5")], [("memory.low", "5")]),
        (
            {"disableOOMKiller": False, "useHierarchy": True},
            [("memory.oom_control", "0"), ("memory.use_hierarchy", "1")],
            [],
        ),
    ],
)
def test_memory(memory: dict[str, Any], old: list[tuple[str, str]], new: list[tuple[str, str]]) -> None:
    assert first({"memory": memory}, "memory", v2=False) == old
    assert first({"memory": memory}, "memory", v2=True) == new


@pytest.mark.parametrize("memory", [{"swap": G}, {"limit": -1, "swap": G}, {"limit": G, "swap": G - 1}])
@pytest.mark.parametrize("v2", [False, True])
def test_swap_that_makes_no_sense(memory: dict[str, Any], v2: bool) -> None:
    with pytest.raises(InvalidSpec, match=r"memory.swap"):
        resources.writes({"memory": memory}, "memory", v2=v2)


@pytest.mark.parametrize(
    ("name", "file", "value"),
    [
        ("swappiness", "memory.swappiness", 10),
        ("kernel", "memory.kmem.limit_in_bytes", G),
        ("kernelTCP", "memory.kmem.tcp.limit_in_bytes", G),
        ("disableOOMKiller", "memory.oom_control", True),
    ],
)
def test_what_only_version_1_has(name: str, file: str, value: object) -> None:
    asked = {"memory": {name: value}}
    assert first(asked, "memory", v2=False) == [(file, str(int(value)))]  # type: ignore[call-overload]
    with pytest.raises(Unsupported, match=rf"memory.{name}: .*memory controller"):
        resources.writes(asked, "memory", v2=True)


@pytest.mark.parametrize(
    ("shares", "weight"), [(2, 1), (10, 1), (512, 50), (1024, 100), (2048, 200), (102_400, 10_000), (262_144, 10_000)]
)
def test_shares_keep_their_proportion(shares: int, weight: int) -> None:
    assert cpu.weight_of(shares) == weight
    assert first({"cpu": {"shares": shares}}, "cpu", v2=True) == [("cpu.weight", str(weight))]
    assert first({"cpu": {"shares": shares}}, "cpu", v2=False) == [("cpu.shares", str(shares))]


@pytest.mark.parametrize(
    ("asked", "old", "new"),
    [
        (
            {"quota": 50_000, "period": 20_000},
            [("cpu.cfs_quota_us", "-1"), ("cpu.cfs_period_us", "20000"), ("cpu.cfs_quota_us", "50000")],
            [("cpu.max", "50000 20000")],
        ),
        ({"quota": -1}, [("cpu.cfs_quota_us", "-1")], [("cpu.max", "max 100000")]),
        ({"period": 20_000}, [("cpu.cfs_period_us", "20000")], [("cpu.max", "max 20000")]),
        (
            {"quota": 9000, "burst": 500},
            [
                ("cpu.cfs_burst_us", "0"), ("cpu.cfs_quota_us", "-1"), ("cpu.cfs_quota_us", "9000"),
                ("cpu.cfs_burst_us", "500"),
            ],
            [("cpu.max", "9000 100000"), ("cpu.max.burst", "500")],
        ),
        # A group that idles takes no weight.
        ({"idle": 1, "shares": 100}, [("cpu.idle", "1")], [("cpu.idle", "1")]),
        ({"idle": 0, "shares": 1024}, [("cpu.idle", "0"), ("cpu.shares", "1024")], [("cpu.idle", "0"), ("cpu.weight", "100")]),
    ],
)  # fmt: skip
def test_cpu(asked: dict[str, Any], old: list[tuple[str, str]], new: list[tuple[str, str]]) -> None:
    assert first({"cpu": asked}, "cpu", v2=False) == old
    assert first({"cpu": asked}, "cpu", v2=True) == new


def test_real_time_and_cpusets() -> None:
    asked = {"cpu": {"realtimePeriod": 1000, "realtimeRuntime": 500, "cpus": "0-1", "mems": "0"}}
    assert first(asked, "cpu", v2=False) == [("cpu.rt_period_us", "1000"), ("cpu.rt_runtime_us", "500")]
    with pytest.raises(Unsupported, match="realtimePeriod"):
        resources.writes(asked, "cpu", v2=True)
    for v2 in (False, True):
        assert first(asked, "cpuset", v2=v2) == [("cpuset.cpus", "0-1"), ("cpuset.mems", "0")]


def test_block_io() -> None:
    disk = {"major": 8, "minor": 16}
    asked = {
        "blockIO": {
            "weight": 500,
            "weightDevice": [{**disk, "weight": 10}],
            "throttleReadBpsDevice": [{**disk, "rate": 600}],
            "throttleWriteIOPSDevice": [{**disk, "rate": 0}],
        }
    }
    old = [write.tries for write in resources.writes(asked, "blkio", v2=False)]
    new = [write.tries for write in resources.writes(asked, "io", v2=True)]
    assert [item[:2] for item in old[0]] == [("blkio.bfq.weight", "500"), ("blkio.weight", "500")]
    assert [item[:2] for item in new[0]] == [("io.bfq.weight", "500"), ("io.weight", "default 4950")]
    assert [item[:2] for item in old[1]] == [("blkio.bfq.weight_device", "8:16 10"), ("blkio.weight_device", "8:16 10")]
    assert [item[:2] for item in new[1]] == [("io.bfq.weight", "8:16 10"), ("io.weight", "8:16 1")]
    assert old[2:] == [
        (("blkio.throttle.read_bps_device", "8:16 600", "8:16 0"),),
        (("blkio.throttle.write_iops_device", "8:16 0", "8:16 0"),),
    ]
    assert new[2:] == [
        (("io.max", "8:16 rbps=600", "8:16 rbps=max"),),
        (("io.max", "8:16 wiops=max", "8:16 wiops=max"),),
    ]
    with pytest.raises(Unsupported, match="leafWeight"):
        resources.writes({"blockIO": {"leafWeight": 10}}, "io", v2=True)


def test_the_rest() -> None:
    asked = {
        "pids": {"limit": -1},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 9}],
        "network": {"classID": 7, "priorities": [{"name": "lo", "priority": 3}]},
        "rdma": {"mlx5_0": {"hcaHandles": 3}},
        "unified": {"memory.high": "5", "cgroup.max.depth": "2", "io.max": "8:0 rbps=1\n8:16 rbps=2"},
    }
    assert first(asked, "pids", v2=True) == first(asked, "pids", v2=False) == [("pids.max", "max")]
    assert first(asked, "hugetlb", v2=True) == [("hugetlb.2MB.max", "9"), ("hugetlb.2MB.rsvd.max", "9")]
    assert first(asked, "hugetlb", v2=False)[0] == ("hugetlb.2MB.limit_in_bytes", "9")
    assert first(asked, "net_cls", v2=False) == [("net_cls.classid", "7")]
    assert first(asked, "net_prio", v2=False) == [("net_prio.ifpriomap", "lo 3")]
    assert first(asked, "rdma", v2=True) == [("rdma.max", "mlx5_0 hca_handle=3 hca_object=max")]
    assert first(asked, "memory", v2=True) == [("memory.high", "5")]
    assert first(asked, "cgroup", v2=True) == [("cgroup.max.depth", "2")]
    assert first(asked, "memory", v2=False) == []
    for bad in ("../x.y", "nodot", "a.b/c"):
        with pytest.raises(InvalidSpec, match="unified"):
            resources.writes({"unified": {bad: "1"}}, "memory", v2=True)
    with pytest.raises(InvalidSpec, match="hugepageLimits"):
        resources.writes({"hugepageLimits": [{"pageSize": "../2", "limit": 1}]}, "hugetlb", v2=True)


def test_changes_lift_what_is_no_longer_said() -> None:
    before = resources.writes({"memory": {"limit": G, "swap": G, "reservation": 5}}, "memory", v2=False)
    after = resources.writes({"memory": {"reservation": 6}}, "memory", v2=False)
    assert [write.tries[0][:2] for write in writing.changes(before, after)] == [
        (MEMSW, "-1"), (LIMIT, "-1"), ("memory.soft_limit_in_bytes", "6"),
    ]  # fmt: skip
    two = [{"major": 8, "minor": minor, "rate": 5} for minor in (0, 16)]
    before = resources.writes({"blockIO": {"throttleReadBpsDevice": two}}, "io", v2=True)
    after = resources.writes({"blockIO": {"throttleReadBpsDevice": two[1:]}}, "io", v2=True)
    assert [write.tries[0][1] for write in writing.changes(before, after)] == ["8:0 rbps=max", "8:16 rbps=5"]
    # What an unknown file was before is not known.
    assert writing.changes(resources.writes({"unified": {"memory.high": "5"}}, "memory", v2=True), ()) == ()


ALL = Hierarchy(v1={}, v2="/x", v2_controllers=("cpu", "cpuset", "memory", "pids", "io", "hugetlb"))
LEGACY = Hierarchy(v1={"memory": "/y/memory", "cpu": "/y/cpu"}, v2="/x", v2_controllers=("hugetlb",))


@pytest.mark.parametrize(
    ("asked", "controller"),
    [
        ({"memory": {"limit": G}}, "memory"),
        ({"cpu": {"quota": 5000}}, "cpu"),
        ({"cpu": {"cpus": "0"}}, "cpuset"),
        ({"pids": {"limit": 5}}, "pids"),
        ({"blockIO": {"weight": 50}}, "blkio"),
        ({"hugepageLimits": [{"pageSize": "2MB", "limit": 1}]}, "hugetlb"),
        ({"network": {"classID": 1}}, "net_cls"),
        ({"rdma": {"a": {"hcaHandles": 1}}}, "rdma"),
    ],
)
def test_what_this_host_can_not_hold(asked: dict[str, Any], controller: str) -> None:
    if controller not in ("net_cls", "rdma"):
        resources.check(asked, ALL)
    lacking = {"blkio": "io"}.get(controller, controller)
    without = ALL.replace(v2_controllers=tuple(name for name in ALL.v2_controllers if name != lacking))
    with pytest.raises(Unsupported, match=rf"^mine: this kernel has no {controller} cgroup controller"):
        resources.check(asked, without, dict.fromkeys(_options(asked), "mine"))
    resources.check({}, without)


def _options(asked: dict[str, Any]) -> list[str]:
    return [write.option for name in resources._WRITERS for write in resources.writes(asked, name, v2=name == "io")]


def test_a_host_with_both() -> None:
    resources.check({"memory": {"swappiness": 1}, "hugepageLimits": [{"pageSize": "2MB", "limit": 1}]}, LEGACY)
    resources.check({"unified": {"hugetlb.2MB.max": "1"}}, LEGACY)
    with pytest.raises(Unsupported, match=r"unified.memory.high"):
        resources.check({"unified": {"memory.high": "1"}}, LEGACY)
    assert resources.place(LEGACY, "memory", "memory") == "/y/memory"
    assert resources.place(LEGACY, "hugetlb", "hugetlb") == "/x"
    assert resources.place(LEGACY, "net_cls", "") is None


@pytest.mark.parametrize(
    ("number", "kind"), [(16, Conflict), (22, InvalidSpec), (19, InvalidSpec), (95, Unsupported), (5, KernelError)]
)
def test_what_the_kernel_refuses(number: int, kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def put(path: str, value: str) -> None:
        raise KernelError("write", f"{value} to {path}", number)

    monkeypatch.setattr(writing, "put", put)
    with pytest.raises(kind, match=r"memory\.low") as error:
        writing.perform("/x", writing.one("memory.reservation", "memory.low", 5, "0"))
    assert error.type is kind
