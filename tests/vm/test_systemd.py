# SPDX-License-Identifier: GPL-3.0-or-later
"""Beside systemd, on version 2 of cgroups alone: it takes nothing of ours away, and a host with containers goes down in time."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.tests.vm.conftest import Host, figures

LIMITED = ("run", "-d", "--memory", "64M", "--cpus", "0.5", "--pids-limit", "50")
HELD = ("67108864", "50000 100000", "50")
SERVE = "mkdir -p /srv; echo kept > /srv/index.html; exec httpd -f -p 80 -h /srv"


@pytest.mark.short
def test_the_container_sees_its_own_group_and_cannot_write(host: Host) -> None:
    said = host.berth("run", "--rm", "base", "sh", "-c", "cat /proc/self/cgroup; grep -c ' cgroup2 ro,' /proc/mounts")
    assert said == "0::/\n1"
    said = host.berth(
        *("run", "--rm", "--memory", "64M", "base", "sh", "-c"), "cat /sys/fs/cgroup/memory.max; mkdir /sys/fs/cgroup/x", check=False
    )  # fmt: skip
    assert said.startswith("67108864\n")
    assert "Read-only file system" in said


ACCOUNTING = "[Manager]\\nDefaultMemoryAccounting=no\\nDefaultTasksAccounting=no\\nDefaultCPUAccounting=no\\n"
# What it is told to do to the hierarchy of which our groups are a part.
CHANGES = (
    "systemctl daemon-reload",
    # It hands further controllers down from the root, and takes them away again at the end.
    "systemd-run --wait -q -p CPUQuota=20% -p MemoryMax=50M -p AllowedCPUs=0 -p IOWeight=50 true",
    (
        f"mkdir -p /run/systemd/system.conf.d; printf '{ACCOUNTING}' > /run/systemd/system.conf.d/off.conf; systemctl daemon-reexec; "
        "systemd-run --wait -q -p CPUQuota=20% -p MemoryMax=50M true; systemctl daemon-reload"
    ),
    "rm /run/systemd/system.conf.d/off.conf; systemctl daemon-reexec",
    "systemctl restart systemd-logind systemd-networkd",
)


@pytest.mark.parametrize(
    "changes", [pytest.param(CHANGES[:1], marks=pytest.mark.short), CHANGES[1:]], ids=["reload", "all"]
)
def test_limits_survive_what_systemd_does_to_the_hierarchy(host: Host, changes: tuple[str, ...]) -> None:
    host.berth(*LIMITED, "--name", "lim", "base", "sleep", "1000")
    assert host.limits("lim") == HELD
    for change in changes:
        host.run(change)
        assert host.limits("lim") == HELD, change
    assert host.berth("exec", "lim", "hostname")


def test_systemd_shows_a_container_and_stops_it_as_we_would(host: Host) -> None:
    host.berth("run", "-d", "--name", "shown", "base", "sh", "-c", "trap 'echo asked; exit 4' TERM; sleep 1000 & wait")
    unit = f"berth-{host.ident('shown')}.scope"
    said = host.run(f"systemctl show -p Description,Slice,Delegate,ActiveState {unit}; systemd-cgls /berth.slice")
    for word in (
        "Description=berth container shown",
        "Slice=berth.slice",
        "Delegate=yes",
        "ActiveState=active",
        "sleep 1000",
    ):
        assert word in said
    host.run(f"systemctl stop {unit}")
    assert "Exited (4)" in host.run("berth ps -a | grep shown")
    assert host.berth("logs", "shown") == "asked"


def test_a_slice_of_ones_own(host: Host) -> None:
    host.berth("run", "-d", "--name", "apart", "--cgroup-parent", "apart.slice", "-m", "64M", "base", "sleep", "1000")
    ident = host.ident("apart")
    home = f"/sys/fs/cgroup/apart.slice/berth-{ident}.scope/{ident}"
    assert host.run(f"cat {home}/memory.max; wc -l < {home}/cgroup.procs").split() == ["67108864", "1"]
    host.berth("rm", "-f", "apart")
    host.run("systemctl stop apart.slice")


def test_who_dies_for_memory_is_told_of(host: Host) -> None:
    """The scope goes with its last process: the count of kills must have been read by then."""
    for _round in range(3):
        script = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo survived"
        host.berth("run", "--name", "hog", "-m", "32M", "base", "sh", "-c", script, check=False)
        assert '"oom_killed": true' in host.berth("inspect", "hog")
        host.berth("rm", "hog")


def test_the_end_of_a_session_disturbs_nothing(host: Host) -> None:
    session = host.run(
        f"berth {' '.join(LIMITED[:2])} --name stays base sleep 1000; cat /proc/self/cgroup", alone=True
    ).splitlines()[-1]
    assert "session-" in session
    scope = host.group("stays").rpartition("/")[0]
    ours = host.run(f"cat $(sed 's|^|/proc/|; s|$|/cgroup|' {scope}/supervisor/cgroup.procs)")
    assert set(ours.splitlines()) == {f"0::{scope.removeprefix('/sys/fs/cgroup')}/supervisor"}
    host.run(
        f"for i in $(seq 50); do [ -e /sys/fs/cgroup{session.partition('::')[2]} ] || exit 0; sleep 0.2; done; exit 1"
    )
    assert host.berth("exec", "stays", "echo", "here") == "here"


def test_a_host_with_containers_reboots_in_time(host: Host) -> None:
    # The first has no handler for SIGTERM, and no more time than this to heed it.
    host.berth("run", "-d", "--stop-timeout", "3", "--name", "deaf", "base", "sleep", "1000")
    host.berth(
        "run", "-d", "--name", "web", "-p", "8088:80", "base", "sh", "-c", f"trap 'exit 4' TERM; ({SERVE}) & wait"
    )
    down = host.machine.reboot()
    figures.append(f"down in {down:.0f} s with two containers")
    assert down < 60
    assert "Exited (137)" in host.run("berth ps -a | grep deaf")
    assert "Exited (4)" in host.run("berth ps -a | grep web")
    host.berth("start", "web")
    assert (
        host.run("for i in 1 2 3 4 5; do busybox wget -qO- http://127.0.0.1:8088/ && break; sleep 1; done") == "kept\n"
    )
