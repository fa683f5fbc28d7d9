# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of "process" and "linux" that are read before anything is done: what they mean, and what is refused."""

from __future__ import annotations

import os
import stat
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import capabilities, scheduling
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime import (
    devices,
    ids,
    limits,
    spaces,
    springboard,
    sysctls,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.become import ungranted
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.ids import IdMap
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.spaces import Spaces


def test_capability_names() -> None:
    assert capabilities.mask(()) == 0
    assert capabilities.mask(("CAP_CHOWN", "CAP_KILL", "CAP_CHOWN")) == 0b100001
    assert capabilities.mask(("CHOWN", "cap_chown", "CAP_", "CAP_NONSENSE")) == 0
    assert capabilities.unknown(("CAP_CHOWN", "CAP_NONSENSE")) == ("CAP_NONSENSE",)
    assert capabilities.mask(("CAP_CHECKPOINT_RESTORE",)) == 1 << 40
    assert "CAP_NONSENSE" in ungranted({"capabilities": {"ambient": ["CAP_NONSENSE"]}})
    assert ungranted({}) == ()


def test_limits() -> None:
    parsed = limits.parse(
        [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}, {"type": "RLIMIT_RTTIME", "soft": 5, "hard": (1 << 64) - 1}]
    )
    assert parsed == {7: (1, 2), 15: (5, -1)}
    assert limits.parse(()) == {}


@pytest.mark.parametrize(
    "entry",
    [
        {}, {"type": "NOFILE", "soft": 1, "hard": 1}, {"type": "RLIMIT_NOFILE"}, {"type": "RLIMIT_NOFILE", "soft": 1},
        {"type": "RLIMIT_NOFILE", "soft": True, "hard": 1}, {"type": "RLIMIT_NOFILE", "soft": -2, "hard": 1},
        {"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1 << 64}, {"type": "RLIMIT_NOFILE", "soft": (1 << 64) - 1, "hard": 5},
    ],
)  # fmt: skip
def test_limits_that_make_no_sense(entry: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match=r"process\.rlimits"):
        limits.parse([entry])


def test_lists_of_processors() -> None:
    assert limits.parse_processors("0-3,7", "x") == {0, 1, 2, 3, 7}
    assert limits.parse_processors(" 5 , 1-1", "x") == {1, 5}
    for text in ("", "3-1", "a", "1-", "-1", "1,,2", "0-65536", "٣", "1-2-3"):
        with pytest.raises(InvalidSpec, match="no list of processors"):
            limits.parse_processors(text, "x")


def test_schedulers() -> None:
    entry = {
        "policy": "SCHED_DEADLINE",
        "runtime": 2000,
        "deadline": 2001,
        "period": 2002,
        "flags": ["SCHED_FLAG_RECLAIM"],
    }
    assert scheduling.scheduler_of(entry) == (6, 2, 0, 0, 2000, 2001, 2002)
    assert scheduling.scheduler_of({**entry, "period": 0})[-1] == 0
    for changes in ({"runtime": 0}, {"runtime": 1023}, {"deadline": 0}, {"deadline": 1999}, {"period": 2000}):
        with pytest.raises(InvalidSpec, match=r"process\.scheduler: SCHED_DEADLINE with runtime"):
            scheduling.scheduler_of({**entry, **changes})
    assert scheduling.scheduler_of({"policy": "SCHED_OTHER", "nice": -20}) == (0, 0, -20, 0, 0, 0, 0)
    for entry in ({}, {"policy": "SCHED_OTHER", "nice": "1"}, {"policy": "SCHED_FIFO", "priority": -1}):
        with pytest.raises(InvalidSpec, match=r"process\.scheduler"):
            scheduling.scheduler_of(entry)


ranges = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 1000), st.integers(1, 20)), max_size=4)


@given(ranges, st.integers(0, 100))
def test_ids_go_where_the_kernel_would_take_them(found: list[tuple[int, int, int]], inside: int) -> None:
    ids_of = IdMap(uids=tuple(found), gids=tuple(found))
    hits = [outside + inside - first for first, outside, size in found if inside in range(first, first + size)]
    if not found:
        assert ids_of.uid(inside) == inside
    elif hits:
        assert ids_of.gid(inside) == hits[0]
    else:
        with pytest.raises(InvalidSpec, match="has no id on the host"):
            ids_of.uid(inside)


def test_mappings() -> None:
    one = [{"containerID": 0, "hostID": 5, "size": 2}]
    assert ids.read(one, one) == IdMap(uids=((0, 5, 2),), gids=((0, 5, 2),))
    for entry in ({}, {"containerID": 0, "hostID": 0, "size": 0}, {"containerID": -1, "hostID": 0, "size": 1}):
        with pytest.raises(InvalidSpec, match="uidMappings"):
            ids.read([entry], [])
    with pytest.raises(InvalidSpec, match="needs both"):
        ids.check_complete(ids.read(one, []))


def test_namespaces() -> None:
    found = spaces.open_spaces({"namespaces": [{"type": "pid"}, {"type": "network", "path": "/proc/self/ns/net"}]})
    assert (found.kinds, found.has_own("pid"), found.has_own("network"), found.joined) == ({"pid"}, True, False, {})
    offsets = {"boottime": {"secs": 5}, "monotonic": {"secs": -1, "nanosecs": 7}}
    found = spaces.open_spaces({"namespaces": [{"type": "time"}], "timeOffsets": offsets})
    assert found.offsets == "boottime 5 0\nmonotonic -1 7\n"


@pytest.mark.parametrize(
    ("linux", "said"),
    [
        ({"namespaces": [{"type": "net"}]}, "is no namespace"),
        ({"namespaces": [{"type": "pid"}, {"type": "pid"}]}, "given twice"),
        ({"namespaces": [{"type": "pid", "path": "/proc/self/ns/net"}]}, "is no pid namespace"),
        ({"namespaces": [{"type": "pid", "path": "/dev/null"}]}, "is no pid namespace"),
        ({"timeOffsets": {"boottime": {"secs": 5}}}, "no new time namespace"),
        ({"namespaces": [{"type": "time"}], "timeOffsets": {"realtime": {"secs": 1}}}, "realtime"),
    ],
)
def test_namespaces_that_make_no_sense(linux: dict[str, Any], said: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(InvalidSpec, match=said):
        spaces.open_spaces(linux)
    assert len(os.listdir("/proc/self/fd")) == before


ALL = Spaces(frozenset(("network", "ipc", "uts")), {}, "")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding"),
        ("net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding"),
        ("kernel.shmmax", "kernel/shmmax"),
        ("kernel/sem", "kernel/sem"),
        ("fs.mqueue.msg_max", "fs/mqueue/msg_max"),
        ("kernel.domainname", "kernel/domainname"),
    ],
)
def test_kernel_parameters(name: str, path: str) -> None:
    assert sysctls.check(name, "1", ALL) == path


@pytest.mark.parametrize(
    "name",
    ["kernel.core_pattern", "kernel.shmmax+", "net..x", "net.ipv4/../../kernel/core_pattern", "net/../kernel/core_pattern", "",
     ".", "net.", "/net/x", "net.ipv4.x\n", "net.ipv4 x", "vm.swappiness", "kernel.sem.x", "neti.x", "fs.mqueue", "net/./x", "nét.x"],
)  # fmt: skip
def test_kernel_parameters_of_the_hosts(name: str) -> None:
    """CVE-2022-0811: no name is taken apart in another way than it is checked."""
    with pytest.raises(InvalidSpec):
        sysctls.check(name, "1", ALL)


@given(st.text(alphabet="net./ipv4kernel+\n", max_size=30))
def test_no_name_leads_elsewhere(name: str) -> None:
    try:
        path = sysctls.check(name, "1", ALL)
    except InvalidSpec:
        return
    assert ".." not in path.split("/")
    assert path.startswith(("net/", "kernel/", "fs/mqueue/"))


def test_device_nodes() -> None:
    asked = [{"path": "/dev/null", "type": "c", "major": 1, "minor": 5}, {"path": "/dev/./x", "type": "p"}]
    found = {node.path: node for node in devices.read(asked)}
    assert len(found) == 7
    assert (found["/dev/null"].minor, found["/dev/null"].mode) == (5, 0o666)
    assert found["/dev/x"].kind == stat.S_IFIFO
    with pytest.raises(InvalidSpec, match="given twice"):
        devices.read([asked[0], asked[0]])


@pytest.mark.parametrize(("machine", "kind"), [("x86_64", 62), ("aarch64", 183)])
def test_the_springboard_is_a_program(machine: str, kind: int) -> None:
    data = springboard.program(machine)
    assert data[:5] == b"\x7fELF\2"
    assert struct.unpack_from("<HH", data, 16) == (2, kind)
    entry, headers = struct.unpack_from("<QQ", data, 24)
    load = struct.unpack_from("<IIQQQQQQ", data, headers)
    assert load[:3] == (1, 5, 0)
    assert load[5] == load[6] == len(data)
    assert entry == load[3] + 64 + 2 * 56
    assert springboard.program("z80") == b""
