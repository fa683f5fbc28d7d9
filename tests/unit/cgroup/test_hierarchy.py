# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hierarchies a host has, from the text of its mountinfo and a directory that plays its /sys/fs/cgroup."""

from __future__ import annotations

import pathlib

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup.hierarchy import Hierarchy, mounted

ROOT = "21 1 0:20 / / rw - ext4 /dev/vda1 rw\n22 21 0:21 / /proc rw - proc proc rw\n"
V2 = "30 21 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
V1 = (
    "31 21 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "32 31 0:28 / /sys/fs/cgroup/systemd rw,nosuid - cgroup cgroup rw,xattr,name=systemd\n"
    "33 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:5 master:2 - cgroup cgroup rw,cpu,cpuacct\n"
    "34 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "35 31 0:31 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    "36 31 0:32 / /sys/fs/cgroup/net_cls rw - cgroup cgroup rw,net_cls\n"
    "37 31 0:33 / /sys/fs/cgroup/rdma rw - cgroup cgroup rw,rdma\n"
)
UNIFIED = "38 31 0:34 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"


def test_version_2(tmp_path: pathlib.Path) -> None:
    home = tmp_path / "sys/fs/cgroup"
    home.mkdir(parents=True)
    (home / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    here = mounted(ROOT + V2, str(tmp_path))
    assert here == Hierarchy(v1={}, v2=str(home), v2_controllers=("cpuset", "cpu", "io", "memory", "pids"))
    assert here.mount_points() == (str(home),)
    assert here.has("memory")
    assert not here.has("hugetlb")


def test_version_1() -> None:
    here = mounted(ROOT + V1)
    assert here.v2 == ""
    assert here.v2_controllers == ()
    assert here.v1["cpu"] == here.v1["cpuacct"] == "/sys/fs/cgroup/cpu,cpuacct"
    assert set(here.v1) == {"cpu", "cpuacct", "memory", "pids", "net_cls", "rdma", "name=systemd"}
    # Each hierarchy once, though two controllers share one. One that was left out would show the host's groups inside.
    assert sorted(here.mount_points()) == [
        "/sys/fs/cgroup/cpu,cpuacct",
        "/sys/fs/cgroup/memory",
        "/sys/fs/cgroup/net_cls",
        "/sys/fs/cgroup/pids",
        "/sys/fs/cgroup/rdma",
        "/sys/fs/cgroup/systemd",
    ]
    assert here.has("pids")
    assert not here.has("freezer")


def test_hybrid(tmp_path: pathlib.Path) -> None:
    home = tmp_path / "sys/fs/cgroup/unified"
    home.mkdir(parents=True)
    (home / "cgroup.controllers").write_text("\n")
    here = mounted(ROOT + V1 + UNIFIED, str(tmp_path))
    assert here.v2 == str(home)
    assert here.v2_controllers == ()
    assert here.mount_points()[-1] == str(home)
    assert here.has("memory")
    assert here.v1["memory"] == f"{tmp_path}/sys/fs/cgroup/memory"


def test_none_at_all() -> None:
    here = mounted(ROOT)
    assert here.mount_points() == ()
    assert not any(map(here.has, ("cpu", "memory", "pids")))


def test_a_second_mount_of_a_hierarchy_is_not_another() -> None:
    again = "50 21 0:30 / /mnt/again rw - cgroup cgroup rw,memory\n51 21 0:26 / /mnt/v2 rw - cgroup2 cgroup2 rw\n"
    assert mounted(ROOT + V1 + again).v1["memory"] == "/sys/fs/cgroup/memory"
    assert mounted(ROOT + V2 + again).v2 == "/sys/fs/cgroup"
