# SPDX-License-Identifier: GPL-3.0-or-later
"""config.json's "process", word by word, as the process itself sees it."""

from __future__ import annotations

import ctypes
import errno
import os
import pathlib
import resource
import struct
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    CommandNotExecutable,
    CommandNotFound,
    EngineError,
    InvalidSpec,
    NotPermitted,
    Unsupported,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import capabilities, capsets, scheduling
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.bundle import Program
from ansible_collections.berth.containers.tests.kernel.runtime.cell import Cell

STATUS = ["cat", "/proc/self/status"]
BOTH = pytest.mark.parametrize("user", [False, True], ids=["host", "userns"])
SETS = {"bounding": "Bnd", "permitted": "Prm", "effective": "Eff", "inheritable": "Inh", "ambient": "Amb"}


def words(text: str) -> dict[str, str]:
    return {key: value.strip() for key, _unused, value in (line.partition(":") for line in text.splitlines())}


def named(*names: str) -> list[str]:
    return [f"CAP_{name}" for name in names]


def caps(**sets: tuple[str, ...]) -> dict[str, list[str]]:
    return {kind: named(*sets.get(kind, ())) for kind in SETS}


ALL = caps(**dict.fromkeys(("bounding", "permitted", "effective"), capabilities.NAMES))


@BOTH
def test_ids_groups_and_umask(cell: Cell, user: bool) -> None:
    entry = {"uid": 1234, "gid": 2345, "additionalGids": [7, 65000], "umask": 0o027}
    shown = words(cell.run(STATUS, user=user, identity=entry).out)
    assert shown["Uid"].split() == ["1234"] * 4
    assert shown["Gid"].split() == ["2345"] * 4
    assert shown["Groups"].split() == ["7", "65000"]
    assert shown["Umask"] == "0027"


def test_without_a_user_it_is_root_with_an_ordinary_umask(cell: Cell) -> None:
    before = os.umask(0o111)
    try:
        shown = words(cell.run(STATUS).out)
    finally:
        os.umask(before)
    assert (shown["Uid"].split()[0], shown["Umask"], shown["Groups"]) == ("0", "0022", "")


@pytest.mark.parametrize("entry", [{"uid": -1}, {"uid": "0"}, {"gid": 1 << 32}, {"additionalGids": [True]}])
def test_what_is_no_id_is_an_error(cell: Cell, entry: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match="is no id"):
        cell.run(STATUS, identity=entry)


@BOTH
@pytest.mark.parametrize(
    ("identity", "given", "held"),
    [
        ({}, caps(bounding=("CHOWN", "KILL"), permitted=("CHOWN", "KILL"), effective=("CHOWN",)), ("CHOWN", "KILL")),
        ({"uid": 5}, caps(bounding=("CHOWN",), permitted=("CHOWN",), effective=("CHOWN",)), ()),
        ({"uid": 5}, {kind: named("NET_RAW", "KILL") for kind in SETS}, ("NET_RAW", "KILL")),
        ({}, {}, ()),
    ],
    ids=["root", "user", "ambient", "none"],
)
def test_all_five_sets(
    cell: Cell, user: bool, identity: dict[str, Any], given: dict[str, list[str]], held: tuple[str, ...]
) -> None:
    shown = words(cell.run(STATUS, user=user, identity=identity, capabilities=given).out)
    found = {kind: int(shown[f"Cap{short}"], 16) for kind, short in SETS.items()}
    want = {kind: capabilities.mask(given.get(kind, ())) for kind in ("bounding", "inheritable", "ambient")}
    # The execve(2) gives root what the bounding set has, and any other user what is ambient (capabilities(7)).
    assert found == {**want, "permitted": capabilities.mask(named(*held)), "effective": capabilities.mask(named(*held))}


def test_a_capability_that_can_not_be_given_is_no_error(cell: Cell) -> None:
    given = {"bounding": named("CHOWN", "NONSENSE"), "permitted": named("CHOWN"), "ambient": named("KILL")}
    shown = words(cell.run(STATUS, capabilities=given).out)
    assert (int(shown["CapBnd"], 16), int(shown["CapAmb"], 16)) == (1, 0)


def test_no_new_privileges(cell: Cell) -> None:
    assert words(cell.run(STATUS, noNewPrivileges=True).out)["NoNewPrivs"] == "1"
    assert words(cell.run(STATUS).out)["NoNewPrivs"] == "0"


def test_environment_is_what_was_given(cell: Cell) -> None:
    done = cell.run(["env"], env=["PATH=/bin", "A=1", "B=x=y", "A=2", "EMPTY="])
    assert sorted(done.out.split()) == ["A=2", "B=x=y", "EMPTY=", "HOME=/root", "PATH=/bin"]
    for pair in ("A", "=x", "A=\0"):
        with pytest.raises(InvalidSpec, match="is not NAME=value"):
            cell.run(["env"], env=["PATH=/bin", pair])


def test_working_directory_with_the_rights_of_root_and_then_of_the_user(cell: Cell) -> None:
    assert cell.run("pwd", cwd="/a/b").out == "/a/b\n"
    with pytest.raises(EngineError, match="working_dir /nowhere: No such file"):
        cell.run("pwd", cwd="/nowhere")
    closed = pathlib.Path(cell.top, "a")
    closed.chmod(0o700)
    try:
        done = cell.run(["/bin/pwd"], cwd="/a/b", identity={"uid": 5}, capabilities=ALL)
    finally:
        closed.chmod(0o755)
    assert done.out == "/a/b\n"


@pytest.mark.parametrize("fd", range(3, 16))
def test_no_descriptor_leads_out(cell: Cell, fd: int) -> None:
    """CVE-2024-21626, one descriptor after the other, with the host's root open in the caller."""
    held = [os.open("/", os.O_RDONLY | os.O_DIRECTORY) for _unused in range(3)]
    for one in held:
        os.set_inheritable(one, True)
    try:
        with pytest.raises(EngineError, match="working_dir"):
            cell.run("pwd", cwd=f"/proc/self/fd/{fd}")
    finally:
        for one in held:
            os.close(one)


@BOTH
def test_resource_limits(cell: Cell, user: bool) -> None:
    limits = [
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_RTTIME", "soft": 1_000_000, "hard": 2_000_000},
        {"type": "RLIMIT_FSIZE", "soft": 1 << 30, "hard": (1 << 64) - 1},
    ]
    rows = [line.split() for line in cell.run(["cat", "/proc/self/limits"], user=user, rlimits=limits).out.splitlines()]
    found = {" ".join(row[1:3]): row[3:5] for row in rows}
    assert found["open files"] == ["100", "200"]
    assert found["core file"] == ["size", "0"]
    assert found["realtime timeout"] == ["1000000", "2000000"]
    assert found["file size"] == [str(1 << 30), "unlimited"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"type": "RLIMIT_NONSENSE", "soft": 1, "hard": 1}, "is no resource limit"),
        ({"type": "RLIMIT_NOFILE", "soft": 2, "hard": 1}, "above the hard limit"),
        ({"type": "RLIMIT_CORE", "soft": 1, "hard": 1}, "given twice"),
        ({"type": "RLIMIT_NOFILE", "soft": "1", "hard": 1}, "is no number"),
    ],
)
def test_limits_that_make_no_sense(cell: Cell, entry: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSpec, match=said):
        cell.run("true", rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}, entry])


def test_a_limit_above_the_hosts_is_refused_or_clamped(cell: Cell) -> None:
    """As where the engine lacks CAP_SYS_RESOURCE: nobody may raise what it gave away."""
    asked = [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 2048}]

    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))
        held = capsets.permitted() & ~capabilities.mask(("CAP_SYS_RESOURCE",))
        capsets.set_all(held, effective=held)
        capsets.limit_bounding(held)

    with pytest.raises(NotPermitted, match="RLIMIT_NOFILE 2048"):
        cell.run("true", rlimits=asked, before=lower)
    done = cell.run("ulimit -Sn; ulimit -Hn", rlimits=asked, before=lower, how={"clamp": True})
    assert done.out.split() == ["512", "512"]


@BOTH
def test_place_when_memory_is_short(cell: Cell, user: bool) -> None:
    assert cell.run(["cat", "/proc/self/oom_score_adj"], user=user, oomScoreAdj=345).out == "345\n"
    with pytest.raises(InvalidSpec, match="oomScoreAdj"):
        cell.run("true", oomScoreAdj=2000)


@BOTH
def test_scheduling_and_io_priority(cell: Cell, user: bool) -> None:
    scheduler = {"policy": "SCHED_BATCH", "nice": 5, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}
    done = cell.run(
        "set -- $(cut -d')' -f2 /proc/self/stat); echo; ionice -p $$",
        user=user,
        scheduler=scheduler,
        ioPriority={"class": "IOPRIO_CLASS_IDLE", "priority": 0},
    )
    assert "idle" in done.out
    stat = cell.run(["cat", "/proc/self/stat"], user=user, scheduler={"policy": "SCHED_BATCH", "nice": 5}).out
    fields = stat.rpartition(")")[2].split()
    # proc_pid_stat(5): nice is field 19, policy 41.
    assert (fields[16], fields[38]) == ("5", "3")


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("scheduler", {"policy": "SCHED_NONSENSE"}),
        ("scheduler", {"policy": "SCHED_OTHER", "flags": ["X"]}),
        ("scheduler", {"policy": "SCHED_OTHER", "nice": 20}),
        ("ioPriority", {"class": "IOPRIO_CLASS_NONSENSE", "priority": 1}),
        ("ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 8}),
    ],
)
def test_scheduling_that_makes_no_sense(cell: Cell, word: str, value: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match=word):
        cell.run("true", **{word: value})


def test_personality(cell: Cell) -> None:
    assert cell.run("uname -m", linux={"personality": {"domain": "LINUX32"}}).out.strip() in ("i686", "armv8l")
    assert cell.run("uname -m").out.strip() == os.uname().machine
    with pytest.raises(InvalidSpec, match="personality"):
        cell.run("true", linux={"personality": {"domain": "BSD"}})


def test_labels_need_their_module(cell: Cell) -> None:
    """Neither is in the kernels that these tests run on; both must say so and not run the process unconfined."""
    modules = pathlib.Path("/sys/kernel/security/lsm")
    active = modules.read_text() if modules.exists() else ""
    if "apparmor" not in active:
        with pytest.raises(EngineError, match=r"AppArmor|not loaded"):
            cell.run("true", apparmorProfile="berth-nonsense")
    if "selinux" not in active:
        with pytest.raises(Unsupported, match="SELinux"):
            cell.run("true", selinuxLabel="system_u:system_r:container_t:s0")


def test_a_label_is_never_written_elsewhere(cell: Cell) -> None:
    """A /proc that is none: whatever would take the label must not (CVE-2019-19921)."""
    fake = {"destination": "/proc", "type": "tmpfs", "source": "tmpfs", "options": []}
    with pytest.raises(EngineError, match="no procfs"):
        cell.run("true", mounts_before=(fake,), kinds=("pid", "mount"), apparmorProfile="x")


# struct sock_filter: load the number of the call, compare, return an errno or allow (seccomp(2)).
def deny(number: int, code: int) -> Program:
    rows = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | code), (0x06, 0, 0, 0x7FFF0000)]
    return Program(code=b"".join(struct.pack("HBBI", *row) for row in rows))


MKDIRAT, MKDIR = (258, 83) if os.uname().machine == "x86_64" else (34, 34)


@pytest.mark.parametrize("privileges_stay", [True, False])
def test_the_filter_is_on_when_the_command_begins(cell: Cell, privileges_stay: bool) -> None:
    program = deny(MKDIR, errno.ENOLINK)
    done = cell.run(
        "mkdir /tmp/x; grep Seccomp: /proc/self/status",
        tmpfs_tmp(),
        noNewPrivileges=privileges_stay,
        capabilities=caps(bounding=("CHOWN",), permitted=("CHOWN",), effective=("CHOWN",)),
        how={"program": program},
    )
    assert "Link has been severed" in done.out
    assert done.out.split()[-1] == "2"


def test_the_filter_comes_after_all_the_rest_when_there_are_no_new_privileges(cell: Cell) -> None:
    """A filter that forbids what the last steps need: only the execve(2) may come after it."""
    for number in (PRCTL, CAPSET, SETUID, CHDIR):
        done = cell.run("true", noNewPrivileges=True, how={"program": deny(number, errno.EPERM)})
        assert done.code == 0, number


PRCTL, CAPSET, SETUID, CHDIR = (157, 126, 117, 80) if os.uname().machine == "x86_64" else (167, 91, 147, 49)


def tmpfs_tmp() -> dict[str, Any]:
    return {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": []}


def test_descriptors_that_are_to_be_kept(cell: Cell) -> None:
    last = max(map(int, os.listdir("/proc/self/fd"))) + 10

    def give() -> None:
        """All from 3 to `last` are open, and none of them is to pass through an execve(2) by itself."""
        while os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC) < last:
            continue

    def kept(how: dict[str, Any]) -> set[str]:
        """Without a pipe, which the shell may have open for a moment; the last descriptor is of the directory that is listed."""
        return set(cell.run(f"readlink /proc/$$/fd/{last}; exec ls /proc/self/fd", before=give, how=how).out.split())

    assert kept({}) == {"0", "1", "2", "3"}
    assert kept({"preserve": last - 2}) == {"/dev/null", *map(str, range(last + 2))}
    with pytest.raises(InvalidSpec, match="is to be kept, and it is not open"):
        cell.run("true", how={"preserve": last + 100})


def test_the_gate_opens_when_only_the_execve_is_left(cell: Cell) -> None:
    def gate() -> None:
        status = pathlib.Path("/proc/self/status").read_text()
        os.write(1, status.encode())

    shown = words(cell.run(["true"], noNewPrivileges=True, identity={"uid": 9}, how={"gate": gate}).out)
    assert (shown["Uid"].split()[0], shown["NoNewPrivs"], shown["CapEff"]) == ("9", "1", "0" * 16)
    for command, kind in ((["nonsense"], CommandNotFound), (["/etc"], CommandNotExecutable)):
        with pytest.raises(kind):
            cell.run(command, how={"gate": lambda: os.write(1, b"open")})


@pytest.mark.parametrize("args", [[], [""], ["sh", "a\0b"]])
def test_commands_that_are_none(cell: Cell, args: list[str]) -> None:
    with pytest.raises(InvalidSpec, match=r"process\.args"):
        cell.run(args)


@BOTH
def test_nothing_of_the_callers_habits_is_left(cell: Cell, user: bool) -> None:
    """Each of these passes through fork(2) and execve(2) unless it is reset."""
    libc = ctypes.CDLL(None, use_errno=True)

    def spoil() -> None:
        os.nice(7)
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        libc.personality(0x0040000)  # ADDR_NO_RANDOMIZE
        libc.prctl(29, 1_000_000, 0, 0, 0)  # timer slack
        libc.prctl(41, 1, 0, 0, 0)  # no huge pages
        scheduling.set_io_priority(0, scheduling.io_class("IOPRIO_CLASS_IDLE"), 7)

    fine = len(os.sched_getaffinity(0))
    done = cell.run(
        "cat /proc/self/personality /proc/self/timerslack_ns; nproc; ionice; cut -d' ' -f19 /proc/self/stat;"
        "grep THP /proc/self/status",
        user=user,
        before=spoil,
    )
    assert done.out.split("\n")[:5] == ["00000000", "50000", str(fine), "none: prio 0", "0"], done.out
    assert "THP_enabled:\t0" not in done.out
