# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of mounts: what every container has, and in which order a user's own go over it."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.rootfs.mounts import (
    Bind,
    Tmpfs,
    base,
    merge,
    of_users,
)


def test_the_base_is_closed() -> None:
    mounts = {entry["destination"]: entry for entry in base(privileged=False, own_network=True)}
    assert list(mounts)[:2] == ["/proc", "/dev"]
    for place in ("/proc", "/sys", "/dev/pts", "/dev/mqueue", "/dev/shm", "/sys/fs/cgroup", "/dev"):
        assert "nosuid" in mounts[place]["options"], place
    for place in ("/proc", "/sys", "/dev/mqueue", "/dev/shm", "/sys/fs/cgroup"):
        assert "nodev" in mounts[place]["options"], place
    for place in ("/sys", "/sys/fs/cgroup"):
        assert "ro" in mounts[place]["options"], place
    assert "size=67108864" in mounts["/dev/shm"]["options"]
    assert "newinstance" in mounts["/dev/pts"]["options"]
    order = list(mounts)
    assert order.index("/sys") < order.index("/sys/fs/cgroup")
    assert order.index("/dev") < order.index("/dev/pts")


@pytest.mark.parametrize("privileged", [True, False])
def test_the_hosts_sys_is_never_writable(privileged: bool) -> None:
    """Without a network of its own a container sees the host's /sys: read-only, whoever it is."""
    (sys,) = (entry for entry in base(privileged=privileged, own_network=False) if entry["destination"] == "/sys")
    assert sys["type"] == "bind"
    assert "rro" in sys["options"]


def test_privileged_may_write_its_own() -> None:
    mounts = {entry["destination"]: entry for entry in base(privileged=True, own_network=True)}
    assert "ro" not in mounts["/sys"]["options"]
    assert "ro" not in mounts["/sys/fs/cgroup"]["options"]


def test_parents_come_before_children() -> None:
    binds = (Bind(source="/a", target="/x/y/z"), Bind(source="/b", target="/x", read_only=True))
    entries = of_users(binds, (Tmpfs(target="/x/y", options=("size=1m",)),))
    assert [entry["destination"] for entry in entries] == ["/x", "/x/y", "/x/y/z"]
    assert "rro" in entries[0]["options"]
    assert not {"ro", "rro"} & set(entries[2]["options"])
    assert {"nosuid", "nodev", "size=1m"} <= set(entries[1]["options"])
    assert all({"nodev", "rnodev"} & set(entry["options"]) for entry in entries)
    assert all({"rbind", "rprivate"} <= set(entry["options"]) for entry in (entries[0], entries[2]))


def test_a_users_own_takes_the_place_of_ours() -> None:
    ours = base(privileged=False, own_network=True)
    before = [entry["destination"] for entry in ours]
    mine = of_users((Bind(source="/a", target="/x"), Bind(source="/b", target="/x")), (Tmpfs(target="/dev/shm"),))
    made = merge(ours, mine)
    assert [entry["destination"] for entry in made] == [*(p for p in before if p != "/dev/shm"), "/x", "/dev/shm"]
    assert [entry["source"] for entry in made][-2:] == ["/b", "tmpfs"]


def test_memory_at_dev_comes_below_what_lies_in_dev() -> None:
    ours = base(privileged=False, own_network=True)
    made = merge(ours, of_users((), (Tmpfs(target="/dev", options=("size=1m",)),)))
    assert [entry["destination"] for entry in made] == [entry["destination"] for entry in ours]
    assert "size=1m" in made[1]["options"]


def test_a_volume_at_dev_has_nothing_of_ours_in_it() -> None:
    ours = base(privileged=False, own_network=True)
    made = merge(ours, of_users((Bind(source="/a", target="/dev"), Bind(source="/b", target="/dev/mine")), ()))
    assert [entry["destination"] for entry in made] == ["/proc", "/sys", "/sys/fs/cgroup", "/dev", "/dev/mine"]
