# SPDX-License-Identifier: GPL-3.0-or-later
"""When and where a foreign bundle's process runs, and what it is given of the host's memory and processors."""

from __future__ import annotations

import glob
import os
import pathlib
import subprocess
from typing import Any

import pytest

from .conftest import Runtime

ROOT = "/sys/fs/cgroup/cpu"
# Only version 1 shares realtime out among groups.
SHARED_OUT = os.path.exists(f"{ROOT}/cpu.rt_runtime_us")
SHARE: dict[str, Any] = {"cpu": {"realtimePeriod": 1_000_000, "realtimeRuntime": 1000}} if SHARED_OUT else {}


def realtime_left() -> int:
    """What the host has not given to a group already: others may have all of it."""
    root, *groups = (
        int(pathlib.Path(path).read_text())
        for path in [f"{ROOT}/cpu.rt_runtime_us", *glob.glob(f"{ROOT}/*/cpu.rt_runtime_us")]
    )
    return root - sum(groups)


@pytest.mark.parametrize(("policy", "number"), [("SCHED_FIFO", "1"), ("SCHED_RR", "2")])
def test_a_realtime_process_has_a_share_or_is_told_so(oci: Runtime, policy: str, number: str) -> None:
    scheduler = {"policy": policy, "priority": 10, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}
    if SHARED_OUT:
        why = oci.refused("run", "-b", str(oci.bundle("true", process_scheduler=scheduler)), "one")
        assert "takes no realtime process" in why
        assert "linux.resources.cpu.realtimeRuntime" in why
    bundle = oci.bundle("cat", "/proc/self/stat", process_scheduler=scheduler, linux_resources=SHARE)
    if SHARED_OUT and realtime_left() < 1000:
        assert "cpu.realtimeRuntime: the kernel does not take" in oci.refused("run", "-b", str(bundle), "one")
        return
    done = oci.once(bundle)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rpartition(")")[2].split()[37:39] == ["10", number]


def test_a_share_of_realtime_changes_with_its_period(oci: Runtime) -> None:
    if not SHARED_OUT or realtime_left() < 50_000:
        assert "cpu.realtime" in oci.refused(
            "run", "-b", str(oci.bundle("true", linux_resources={"cpu": {"realtimeRuntime": 999_999}})), "one"
        )
        return
    bundle = oci.bundle(
        "sleep", "60", linux_resources={"cpu": {"realtimePeriod": 1_000_000, "realtimeRuntime": 50_000}}
    )
    oci.create("one", bundle)
    (place,) = glob.glob(f"{ROOT}/{oci.group}/*/")
    for period, runtime in ((10_000, 500), (1_000_000, 50_000)):
        oci.ok("update", "--cpu-rt-period", str(period), "--cpu-rt-runtime", str(runtime), "one")
        held = [int(pathlib.Path(f"{place}/cpu.rt_{name}_us").read_text()) for name in ("period", "runtime")]
        assert held == [period, runtime]


POLICIES = [
    ({"mode": "MPOL_DEFAULT"}, "default"),
    ({"mode": "MPOL_LOCAL"}, "local"),
    ({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"),
    ({"mode": "MPOL_PREFERRED", "nodes": "0-0", "flags": ["MPOL_F_STATIC_NODES"]}, "prefer=static:0"),
    ({"mode": "MPOL_INTERLEAVE", "nodes": "0"}, "interleave:0"),
]


@pytest.mark.parametrize(("policy", "words"), POLICIES)
def test_memory_comes_from_the_nodes_asked_for(oci: Runtime, policy: dict[str, Any], words: str) -> None:
    if not os.path.exists("/proc/self/numa_maps"):
        assert "knows no memory nodes" in oci.refused(
            "run", "-b", str(oci.bundle("true", linux_memoryPolicy=policy)), "one"
        )
        return
    oci.create("one", oci.bundle("sleep", "60", linux_memoryPolicy=policy))
    oci.ok("start", "one", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, capture_output=False)
    for line in (
        oci.ok("exec", "one", "cat", "/proc/1/numa_maps"),
        oci.ok("exec", "one", "cat", "/proc/self/numa_maps"),
    ):
        assert f" {words} " in line.splitlines()[0]


def test_memory_nodes_that_are_not_there(oci: Runtime) -> None:
    why = "the kernel does not take" if os.path.exists("/proc/self/numa_maps") else "this kernel knows no memory nodes"
    for policy in ({"mode": "MPOL_BIND", "nodes": "1000"}, {"mode": "MPOL_INTERLEAVE"}):
        bundle = oci.bundle("true", linux_memoryPolicy=policy)
        assert f"linux.memoryPolicy: {why}" in oci.refused("run", "-b", str(bundle), "one")
