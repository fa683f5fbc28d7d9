# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that a group may not use, tried by processes in it: by version 1's controller and by our program on version 2."""

from __future__ import annotations

import os
import pathlib
import stat
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import devices, group, hierarchy, restrict
from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup.hierarchy import Hierarchy
from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import bpf
from ansible_collections.berth.containers.tests.kernel.house import House, in_child

DENY_ALL = {"allow": False, "access": "rwm"}
PARENT = "berth-devices"
HERE = hierarchy.mounted()
# Each hierarchy that there is, as the only one that could filter.
WAYS = {
    **({"version 1": HERE.replace(v2="")} if "devices" in HERE.v1 else {}),
    **({"version 2": HERE.replace(v1={})} if HERE.v2 else {}),
}


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest) -> Iterator[tuple[Hierarchy, str]]:
    """A group of its own in one hierarchy."""
    here = WAYS[request.param]
    point = here.v1.get("devices") or here.v2
    home = f"{point}/{PARENT}/t{os.getpid()}"
    os.makedirs(home)
    try:
        yield here, home
    finally:
        group.remove((home, f"{point}/{PARENT}"))


def tried(home: str, tmp_path: pathlib.Path, *numbers: tuple[int, int], flags: int = os.O_RDWR) -> list[bool]:
    """Whether character devices open for a process in the group; their nodes are made outside of it."""
    nodes = []
    for major, minor in numbers:
        nodes.append(tmp_path / f"{major}.{minor}")
        if not nodes[-1].exists():
            os.mknod(nodes[-1], 0o600 | stat.S_IFCHR, os.makedev(major, minor))

    def look() -> list[bool]:
        pathlib.Path(home, "cgroup.procs").write_text("0")
        return [_opens(node, flags) for node in nodes]

    found = in_child(look)
    assert isinstance(found, list)
    return found


def _opens(node: pathlib.Path, flags: int) -> bool:
    try:
        os.close(os.open(node, flags))
    except PermissionError:
        return False
    return True


def makes(home: str, path: pathlib.Path, major: int, minor: int) -> bool:
    def make() -> bool:
        pathlib.Path(home, "cgroup.procs").write_text("0")
        try:
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(major, minor))
        except PermissionError:
            return False
        os.unlink(path)
        return True

    return bool(in_child(make))


def hold(way: tuple[Hierarchy, str], rules: Any, *, fresh: bool = False) -> None:
    here, home = way
    restrict.devices(here, f"{PARENT}/{os.path.basename(home)}", rules, fresh=fresh)


def test_the_standard_list_and_nothing_else(way: tuple[Hierarchy, str], tmp_path: pathlib.Path) -> None:
    _here, home = way
    assert tried(home, tmp_path, (1, 3), (1, 11)) == [True, True], "the probe itself"
    hold(way, devices.STANDARD, fresh=True)
    # null, zero, urandom; then the kernel log, and physical memory's port.
    assert tried(home, tmp_path, (1, 3), (1, 5), (1, 9), (1, 11), (1, 4)) == [True, True, True, False, False]
    assert makes(home, tmp_path / "made", 1, 3)
    assert not makes(home, tmp_path / "made", 10, 200)


def test_rules_change_while_it_runs(way: tuple[Hierarchy, str], tmp_path: pathlib.Path) -> None:
    here, home = way
    hold(way, [DENY_ALL, {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "r"}], fresh=True)
    assert tried(home, tmp_path, (1, 3), flags=os.O_RDONLY) == [True]
    assert tried(home, tmp_path, (1, 3)) == [False]
    hold(way, [DENY_ALL, {"allow": True, "type": "c", "major": 1, "access": "rw"}])
    assert tried(home, tmp_path, (1, 3), (1, 11)) == [True, True]
    hold(way, devices.STANDARD)
    assert tried(home, tmp_path, (1, 3), (1, 11)) == [True, False]
    if not here.v1:
        group_fd = os.open(home, os.O_RDONLY)
        try:
            # The new one is in the place of the old one, not beside it.
            assert len(bpf.device_programs(group_fd)) == 1
        finally:
            os.close(group_fd)
    hold(way, devices.ALL)
    assert tried(home, tmp_path, (1, 3), (1, 11)) == [True, True]


def test_a_part_of_a_rule_is_taken_out_by_the_program(tmp_path: pathlib.Path) -> None:
    """Version 1 can't say it: where both are, the other one does it."""
    name = f"p{os.getpid()}"
    made = tuple(f"{point}/{PARENT}/{name}" for point in (HERE.v1.get("devices"), HERE.v2) if point)
    for directory in made:
        os.makedirs(directory)
    try:
        rules = [
            DENY_ALL,
            {"allow": True, "type": "c", "major": 1},
            {"allow": False, "type": "c", "major": 1, "minor": 11},
        ]
        restrict.devices(HERE, f"{PARENT}/{name}", rules, fresh=True)
        assert tried(f"{HERE.v2}/{PARENT}/{name}", tmp_path, (1, 3), (1, 11)) == [True, False]
    finally:
        group.remove((*made, *map(os.path.dirname, made)))


def test_a_container_has_no_others(house: House) -> None:
    """Root with every right to make nodes, without a user namespace: what it makes is of no use, and most it can't make."""
    script = (
        "for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done; echo > /dev/null;"
        " head -c 1 /dev/urandom | wc -c;"
        " mount -t tmpfs -o dev none /mnt; cd /mnt;"
        " mknod kmsg c 1 11 2>/dev/null && echo made kmsg; mknod null c 1 3 && echo > null && echo null works;"
        " mknod disk b 254 0 2>/dev/null && echo made disk; true"
    )
    done = house.run(script, userns_mode="host", cap_add=["MKNOD", "SYS_ADMIN"], security_opts=["seccomp=unconfined"])
    assert done.out.split("\n")[:-1] == ["1", "null works"]
    allowed = house.run(
        "mount -t tmpfs -o dev none /mnt; mknod /mnt/kmsg c 1 11 && echo made;"
        " : > /mnt/kmsg && echo opened; cat /mnt/kmsg || echo not to be read",
        userns_mode="host", cap_add=["MKNOD", "SYS_ADMIN"], security_opts=["seccomp=unconfined"],
        device_cgroup_rules=["c 1:11 wm"],
    )  # fmt: skip
    assert allowed.out == "made\nopened\nnot to be read\n"
