# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's numbers from the files of either version, and nothing where it tells none."""

from __future__ import annotations

import pathlib

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import stats
from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup.hierarchy import Hierarchy

PRESSURE = "some avg10=1.50 avg60=0.25 avg300=0.00 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n"


def write(home: pathlib.Path, **texts: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (home / name.replace("__", ".")).write_text(text)


def test_version_2(tmp_path: pathlib.Path) -> None:
    write(
        tmp_path / "berth/c1",
        cpu__stat="usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 9\nnr_throttled 4\nthrottled_usec 6\n",
        memory__current="1000\n", memory__stat="anon 600\nfile 300\ninactive_file 250\n", memory__max="max\n",
        memory__peak="1100\n", memory__swap__current="7\n", memory__events="low 0\noom 1\noom_kill 2\n",
        pids__current="3\n", pids__max="2048\n", cpu__pressure=PRESSURE,
        io__stat="8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=9 dios=9\n8:16 rbytes=1 wbytes=2 rios=3 wios=4\n",
    )  # fmt: skip
    here = Hierarchy(v1={}, v2=str(tmp_path), v2_controllers=("cpu", "memory", "pids", "io"))
    found = stats.read(here, "berth", "c1")
    assert found["cpu"] == {
        "usage_ns": 5000, "user_ns": 3000, "system_ns": 2000, "periods": 9, "throttled_periods": 4, "throttled_ns": 6000,
    }  # fmt: skip
    assert found["memory"] == {
        "usage": 1000, "working_set": 750, "anonymous": 600, "file": 300, "swap": 7, "peak": 1100, "limit": None,
        "oom_kills": 2,
    }  # fmt: skip
    assert found["pids"] == {"current": 3, "limit": 2048}
    assert found["block_io"] == {"read_bytes": 11, "write_bytes": 22, "read_operations": 4, "write_operations": 6}
    assert found["pressure"]["cpu"]["some"] == {"avg10": 1.5, "avg60": 0.25, "avg300": 0.0, "total_us": 77}
    assert found["pressure"]["cpu"]["full"]["total_us"] == 5
    assert found["pressure"]["io"] is None


def test_version_1(tmp_path: pathlib.Path) -> None:
    names = ("cpu", "cpuacct", "memory", "pids", "blkio")
    here = Hierarchy(v1={name: f"{tmp_path}/{name}" for name in names}, v2="", v2_controllers=())
    write(tmp_path / "cpu/berth/c1", cpu__stat="nr_periods 9\nnr_throttled 4\nthrottled_time 6\n")
    write(tmp_path / "cpuacct/berth/c1", cpuacct__usage="5\n", cpuacct__usage_user="3\n", cpuacct__usage_sys="2\n")
    write(
        tmp_path / "memory/berth/c1",
        memory__usage_in_bytes="1000\n", memory__max_usage_in_bytes="1100\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        memory__stat=(
            "hierarchical_memory_limit 9223372036854771712\n"
            "total_cache 300\ntotal_rss 600\ntotal_inactive_file 250\ntotal_swap 7\n"
        ),
    )  # fmt: skip
    write(tmp_path / "pids/berth/c1", pids__current="3\n", pids__max="max\n")
    blkio = tmp_path / "blkio/berth/c1"
    write(blkio, blkio__throttle__io_service_bytes_recursive="Total 0\n")
    found = stats.read(here, "berth", "c1")
    assert found["cpu"]["usage_ns"] == 5
    assert found["cpu"]["throttled_ns"] == 6
    assert (found["memory"]["working_set"], found["memory"]["limit"], found["memory"]["swap"]) == (750, None, 7)
    assert found["memory"]["oom_kills"] == 2
    assert found["pids"] == {"current": 3, "limit": None}
    # Nobody counts: that is not 0. And nothing is known of pressure on version 1.
    assert (found["block_io"], found["pressure"]) == (None, None)
    write(
        blkio,
        blkio__throttle__io_service_bytes_recursive="8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n8:16 Read 5\nTotal 35\n",
        blkio__throttle__io_serviced_recursive="8:0 Read 1\n8:0 Write 2\nTotal 3\n",
    )
    assert stats.read(here, "berth", "c1")["block_io"] == {
        "read_bytes": 15, "write_bytes": 20, "read_operations": 1, "write_operations": 2,
    }  # fmt: skip


def test_a_group_that_has_just_gone(tmp_path: pathlib.Path) -> None:
    here = Hierarchy(v1={}, v2=str(tmp_path), v2_controllers=("memory",))
    found = stats.read(here, "berth", "gone")
    assert found["memory"]["usage"] is None
    assert (found["pids"], found["pressure"]) == (None, None)
