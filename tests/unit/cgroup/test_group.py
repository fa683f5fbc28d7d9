# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written into which file, in a directory tree that plays a version 2 or a version 1 host."""

from __future__ import annotations

import os
import pathlib
import shutil

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import group, limits
from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup.hierarchy import Hierarchy
from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup.limits import Limits
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    InvalidSpec,
    KernelError,
    Unsupported,
)

V2_FILES = (
    "cgroup.subtree_control",
    "cgroup.freeze",
    "cpu.max",
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
    made = group.create(v2, "berth", "c1", Limits(memory=64 << 20, cpus=0.5, pids=100))
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
    group.create(v2, "berth", "c1", Limits())
    assert [read(v2, f"berth/c1/{name}") for name in ("memory.max", "memory.swap.max", "pids.max", "cpu.max")] == [
        "max", "max", "max", "max 100000",
    ]  # fmt: skip


def test_a_missing_controller_is_left_alone(v2: Hierarchy) -> None:
    less = v2.replace(v2_controllers=("pids",))
    group.create(less, "berth", "c1", Limits(memory=64 << 20, pids=5))
    assert read(less, "berth/c1/pids.max") == "5"
    assert read(less, "berth/c1/memory.max") == ""
    assert read(less, "cgroup.subtree_control") == "+pids"


def test_a_kernel_without_swap_accounting(v2: Hierarchy, monkeypatch: pytest.MonkeyPatch) -> None:
    made = pathlib.Path(v2.v2, "berth/c1")
    group.create(v2, "berth", "c1", Limits())
    (made / "memory.swap.max").unlink()
    group.apply(v2, "berth", "c1", Limits(memory=64 << 20))
    assert read(v2, "berth/c1/memory.max") == str(64 << 20)
    (made / "memory.max").unlink()
    with pytest.raises((FileNotFoundError, KernelError)):
        group.apply(v2, "berth", "c1", Limits(memory=64 << 20))


def test_the_kernels_count_of_kills(v2: Hierarchy) -> None:
    group.create(v2, "berth", "c1", Limits())
    events = pathlib.Path(v2.v2, "berth/c1/memory.events")
    for text, killed in (("low 0\noom 3\noom_kill 0\n", False), ("low 0\noom_kill 2\noom_group_kill 0\n", True)):
        events.write_text(text)
        assert group.was_oom_killed(v2, "berth", "c1") is killed
    assert group.was_oom_killed(v2, "berth", "gone") is False


def test_limits_on_version_1(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[tuple[str, str]] = []
    monkeypatch.setattr(
        group, "_write", lambda path, value, optional: writes.append((path[len(str(tmp_path)) + 1 :], value))
    )
    for name, files in V1_FILES.items():
        for below in ("", "/berth", "/berth/c1"):
            _make(pathlib.Path(f"{tmp_path}/{name}{below}"), files)
    (tmp_path / "cpuset/cpuset.cpus").write_text("0-3\n")
    (tmp_path / "cpuset/cpuset.mems").write_text("0\n")
    here = Hierarchy(v1={name: f"{tmp_path}/{name}" for name in V1_FILES}, v2="", v2_controllers=())
    made = group.create(here, "berth", "c1", Limits(memory=64 << 20, cpus=1.5, pids=7))
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
    group.create(v2, "berth", "c1", Limits())
    for text, frozen in (("0\n", False), ("1\n", True)):
        pathlib.Path(v2.v2, "berth/c1/cgroup.freeze").write_text(text)
        assert group.is_frozen(v2, "berth", "c1") is frozen
    shutil.rmtree(f"{v2.v2}/berth")
    assert group.is_frozen(v2, "berth", "c1") is False
    with pytest.raises(Unsupported, match="freezer"):
        group.freeze(Hierarchy(v1={}, v2="", v2_controllers=()), "berth", "c1", frozen=True)


ALL = Hierarchy(v1={}, v2="/x", v2_controllers=("cpu", "memory", "pids"))


def test_what_no_process_could_live_in() -> None:
    limits.check(Limits(memory=6 << 20, cpus=0.01, pids=1), ALL)
    for bad, match in ((Limits(memory=(6 << 20) - 1), "memory"), (Limits(cpus=0.009), "cpus")):
        with pytest.raises(InvalidSpec, match=match):
            limits.check(bad, ALL)


@pytest.mark.parametrize(("option", "controller"), [("memory", "memory"), ("cpus", "cpu"), ("pids_limit", "pids")])
def test_what_this_kernel_can_not_hold(option: str, controller: str) -> None:
    without = ALL.replace(v2_controllers=tuple(name for name in ALL.v2_controllers if name != controller))
    field = {"pids_limit": "pids"}.get(option, option)
    with pytest.raises(Unsupported, match=f"^{option}: .*{controller}"):
        limits.check(Limits(**{field: 64 << 20}), without)
    limits.check(Limits(), without)
