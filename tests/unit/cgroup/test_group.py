# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written into which file, in a directory tree that plays a version 2 or a version 1 host."""

from __future__ import annotations

import os
import pathlib
import shutil

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import devices, group, restrict, writing
from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup.hierarchy import Hierarchy
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Conflict, Unsupported

V2_FILES = (
    "cgroup.subtree_control",
    "cgroup.freeze",
    "cpu.max",
    "cpu.weight",
    "memory.max",
    "memory.swap.max",
    "pids.max",
    "cgroup.procs",
)
V1_FILES = {
    "cpu": ("cpu.cfs_period_us", "cpu.cfs_quota_us"),
    "memory": ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    "pids": ("pids.max",),
    "cpuset": ("cpuset.cpus", "cpuset.mems"),
}

LIMITS = {
    "memory": {"limit": 64 << 20, "swap": 64 << 20},
    "cpu": {"quota": 50_000, "period": 100_000},
    "pids": {"limit": 100},
}


@pytest.fixture
def v2(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Hierarchy:
    """A directory whose new subdirectories come with files, as the kernel's do."""
    monkeypatch.setattr(group.os, "makedirs", lambda path, **_: _make(pathlib.Path(path), V2_FILES))
    _make(tmp_path, V2_FILES)
    return Hierarchy(v1={}, v2=str(tmp_path), v2_controllers=("cpuset", "cpu", "memory", "pids"))


def _make(path: pathlib.Path, files: tuple[str, ...]) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for name in files:
        (path / name).touch()


def read(hierarchy: Hierarchy, path: str) -> str:
    return pathlib.Path(hierarchy.v2, path).read_text()


def test_limits_on_version_2(v2: Hierarchy) -> None:
    made = group.create(v2, "berth", "c1", LIMITS)
    assert made == (f"{v2.v2}/berth/c1",)
    assert read(v2, "berth/c1/memory.max") == str(64 << 20)
    assert read(v2, "berth/c1/memory.swap.max") == "0"
    assert read(v2, "berth/c1/cpu.max") == "50000 100000"
    assert read(v2, "berth/c1/pids.max") == "100"
    # Every group above hands down what is used, and nothing else.
    for above in ("", "berth/"):
        assert read(v2, f"{above}cgroup.subtree_control") == "+cpu +memory +pids"
    assert read(v2, "berth/c1/cgroup.subtree_control") == ""


def test_unlimited_on_version_2(v2: Hierarchy) -> None:
    group.create(v2, "berth", "c1", LIMITS)
    group.update(v2, "berth", "c1", {}, LIMITS)
    assert [read(v2, f"berth/c1/{name}") for name in ("memory.max", "memory.swap.max", "pids.max", "cpu.max")] == [
        "max", "max", "max", "max 100000",
    ]  # fmt: skip


def test_only_what_differs_is_lifted(v2: Hierarchy) -> None:
    group.create(v2, "berth", "c1", {**LIMITS, "cpu": {"shares": 512, "quota": 50_000}})
    assert read(v2, "berth/c1/cpu.weight") == "50"
    group.update(v2, "berth", "c1", {"pids": {"limit": 7}}, {"cpu": {"shares": 512}})
    assert read(v2, "berth/c1/cpu.weight") == "100"
    assert read(v2, "berth/c1/pids.max") == "7"
    assert read(v2, "berth/c1/memory.max") == str(64 << 20)


def test_a_group_at_any_depth(v2: Hierarchy) -> None:
    made = group.create(v2, "a/b", "c", {"pids": {"limit": 3}})
    assert made == (f"{v2.v2}/a/b/c",)
    assert [read(v2, f"{above}cgroup.subtree_control") for above in ("", "a/", "a/b/", "a/b/c/")] == [
        "+cpu +memory +pids", "+cpu +memory +pids", "+cpu +memory +pids", "",
    ]  # fmt: skip
    assert group.create(v2, "", "top", {"pids": {"limit": 4}}) == (f"{v2.v2}/top",)
    assert read(v2, "top/pids.max") == "4"
    pathlib.Path(v2.v2, "a/b/c/cgroup.procs").write_text("12\n7\n")
    pathlib.Path(v2.v2, "a/b/c/below").mkdir()
    pathlib.Path(v2.v2, "a/b/c/below/cgroup.procs").write_text("9\n")
    assert group.pids(v2, "a/b", "c") == (7, 9, 12)
    assert group.pids(v2, "a/b", "gone") == ()


def test_what_is_asked_for_is_handed_down_too(v2: Hierarchy) -> None:
    pathlib.Path(v2.v2, "cgroup.subtree_control").write_text("cpu memory pids")
    _make(pathlib.Path(v2.v2, "berth/c1"), ("cpuset.cpus",))
    group.create(v2, "berth", "c1", {"cpu": {"cpus": "0-1"}})
    assert read(v2, "cgroup.subtree_control") == "+cpuset"
    assert read(v2, "berth/c1/cpuset.cpus") == "0-1"


def test_a_limit_below_what_is_used(v2: Hierarchy) -> None:
    group.create(v2, "berth", "c1", LIMITS)
    pathlib.Path(v2.v2, "berth/c1/memory.current").write_text("50000000\n")
    lower = {"memory": {"limit": 40_000_000, "checkBeforeUpdate": True}}
    with pytest.raises(Conflict, match=r"memory.limit: .*50000000.*40000000"):
        group.update(v2, "berth", "c1", lower)
    assert read(v2, "berth/c1/memory.max") == str(64 << 20)
    group.update(v2, "berth", "c1", {"memory": {"limit": 60_000_000, "checkBeforeUpdate": True}})
    assert read(v2, "berth/c1/memory.max") == "60000000"


def test_a_missing_controller_is_left_alone(v2: Hierarchy) -> None:
    less = v2.replace(v2_controllers=("pids",))
    group.create(less, "berth", "c1", {"memory": {"limit": 64 << 20}, "pids": {"limit": 5}})
    assert read(less, "berth/c1/pids.max") == "5"
    assert read(less, "berth/c1/memory.max") == ""
    assert read(less, "cgroup.subtree_control") == "+pids"


def test_a_kernel_without_swap_accounting(v2: Hierarchy) -> None:
    """A limit without swap is still a limit; swap that was asked for is not there."""
    made = pathlib.Path(v2.v2, "berth/c1")
    group.create(v2, "berth", "c1", {})
    (made / "memory.swap.max").unlink()
    group.update(v2, "berth", "c1", LIMITS)
    assert read(v2, "berth/c1/memory.max") == str(64 << 20)
    with pytest.raises(Unsupported, match=r"^memory.swap: .*memory.swap.max"):
        group.update(v2, "berth", "c1", {"memory": {"limit": 64 << 20, "swap": 65 << 20}})
    (made / "memory.max").unlink()
    with pytest.raises(Unsupported, match=r"^memory.limit: "):
        group.update(v2, "berth", "c1", LIMITS)


def test_the_kernels_count_of_kills(v2: Hierarchy) -> None:
    group.create(v2, "berth", "c1", {})
    events = pathlib.Path(v2.v2, "berth/c1/memory.events")
    for text, killed in (("low 0\noom 3\noom_kill 0\n", False), ("low 0\noom_kill 2\noom_group_kill 0\n", True)):
        events.write_text(text)
        assert group.was_oom_killed(v2, "berth", "c1") is killed
    assert group.was_oom_killed(v2, "berth", "gone") is False


def test_limits_on_version_1(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[tuple[str, str]] = []
    for room in (group, writing):
        monkeypatch.setattr(room, "put", lambda path, value: writes.append((path[len(str(tmp_path)) + 1 :], value)))
    for name, files in V1_FILES.items():
        for below in ("", "/berth", "/berth/c1"):
            _make(pathlib.Path(f"{tmp_path}/{name}{below}"), files)
    (tmp_path / "cpuset/cpuset.cpus").write_text("0-3\n")
    (tmp_path / "cpuset/cpuset.mems").write_text("0\n")
    here = Hierarchy(v1={name: f"{tmp_path}/{name}" for name in V1_FILES}, v2="", v2_controllers=())
    made = group.create(
        here, "berth", "c1", {**LIMITS, "cpu": {"quota": 150_000, "period": 100_000}, "pids": {"limit": 7}}
    )
    assert sorted(made) == sorted(f"{tmp_path}/{name}/berth/c1" for name in V1_FILES)
    values = dict(writes)
    assert values["cpu/berth/c1/cpu.cfs_period_us"] == "100000"
    assert values["cpu/berth/c1/cpu.cfs_quota_us"] == "150000"
    assert values["pids/berth/c1/pids.max"] == "7"
    # Never memsw below the limit, in whatever order they were before.
    order = [(path.rpartition("/")[2], value) for path, value in writes if path.startswith("memory")]
    assert order == [
        ("memory.memsw.limit_in_bytes", "-1"),
        ("memory.limit_in_bytes", str(64 << 20)),
        ("memory.memsw.limit_in_bytes", str(64 << 20)),
    ]
    # A new cpuset is empty and takes no process.
    assert values["cpuset/berth/cpuset.cpus"] == "0-3"
    assert values["cpuset/berth/cpuset.mems"] == "0"


def test_removal_is_idempotent_and_deep(tmp_path: pathlib.Path) -> None:
    (tmp_path / "c1/inner/deep").mkdir(parents=True)
    group.remove((str(tmp_path / "c1"), str(tmp_path / "never")))
    assert os.listdir(tmp_path) == []
    group.remove((str(tmp_path / "c1"),))


def test_frozen_or_not(v2: Hierarchy) -> None:
    group.create(v2, "berth", "c1", {})
    for text, frozen in (("0\n", False), ("1\n", True)):
        pathlib.Path(v2.v2, "berth/c1/cgroup.freeze").write_text(text)
        assert group.is_frozen(v2, "berth", "c1") is frozen
    shutil.rmtree(f"{v2.v2}/berth")
    assert group.is_frozen(v2, "berth", "c1") is False
    with pytest.raises(Unsupported, match="freezer"):
        group.freeze(Hierarchy(v1={}, v2="", v2_controllers=()), "berth", "c1", frozen=True)


def test_devices_by_the_controller_or_else_by_a_program(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    programs: list[str] = []
    monkeypatch.setattr(restrict, "put", lambda path, value: written.append(f"{path.rpartition('/')[2]} {value}"))
    monkeypatch.setattr(restrict, "_by_program", lambda home, _read: programs.append(home))
    _make(tmp_path / "devices/c1", ("devices.list",))
    (tmp_path / "devices/c1/devices.list").write_text("a *:* rwm\n")
    both = Hierarchy(v1={"devices": f"{tmp_path}/devices"}, v2="/two", v2_controllers=())
    rules: list[dict[str, object]] = [{"allow": False}, {"allow": True, "type": "c", "major": 1, "access": "rw"}]
    restrict.devices(both, "c1", rules, fresh=True)
    assert (written, programs) == (["devices.deny a", "devices.allow c 1:* rw"], [])
    # A part of a wider rule is beyond version 1.
    restrict.devices(both, "c1", [*rules, {"allow": False, "type": "c", "major": 1, "minor": 9}], fresh=True)
    assert programs == ["/two/c1"]
    restrict.devices(both.replace(v1={}), "c1", rules, fresh=True)
    assert programs == ["/two/c1", "/two/c1"]
    restrict.devices(Hierarchy(v1={}, v2="", v2_controllers=()), "c1", devices.ALL, fresh=True)
    with pytest.raises(Unsupported, match="devices"):
        restrict.devices(Hierarchy(v1={}, v2="", v2_controllers=()), "c1", rules, fresh=True)
    assert len(programs) == 2
