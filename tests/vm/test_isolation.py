# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of isolation on cgroup v2 alone, below systemd, on a kernel that has AppArmor."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.berth.containers.tests.vm.conftest import Host


def told(host: Host, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.berth("inspect", name))[0]
    return found


def test_options_as_seen_from_inside(host: Host) -> None:
    options = [
        "--ulimit", "nofile=100:200", "--umask", "0027", "--shm-size", "2m", "--sysctl", "net.ipv4.tcp_fin_timeout=77",
        "--sysctl", "kernel.shmmax=4096", "--oom-score-adj", "9", "--group-add", "42", "--device", "/dev/null:/dev/sink",
        "--domainname", "d.example", "--ipc", "shareable",
    ]  # fmt: skip
    script = (
        "ulimit -n; umask; cat /proc/sys/net/ipv4/tcp_fin_timeout /proc/sys/kernel/shmmax /proc/self/oom_score_adj "
        "/proc/sys/kernel/domainname; id -G; echo x > /dev/sink && echo sink; df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d' ' -f2"
    )
    seen = host.berth("run", "--rm", "--network", "none", *options, "base", "sh", "-c", script).splitlines()
    assert seen == ["100", "0027", "77", "4096", "9", "d.example", "0 42", "sink", "2048"]


@pytest.mark.short
def test_other_devices_are_refused(host: Host) -> None:
    words = ["run", "--rm", "--network", "none", "--userns", "host", "--cap-add", "MKNOD", "--tmpfs", "/t:dev"]
    script = "mknod /t/kmsg c 1 11; cat /t/kmsg; mknod /t/null c 1 3 && echo x > /t/null && echo fine"
    said = host.berth(*words, "base", "sh", "-c", script, check=False)
    assert "Operation not permitted" in said
    assert "fine" in said


def test_resources_change_live(host: Host) -> None:
    host.berth("run", "-d", "--name", "one", "--network", "none", "-m", "64m", "base", "sleep", "1000")
    pid = told(host, "one")["state"]["pid"]
    host.berth("update", "-m", "96m", "--memory-swap", "128m", "--memory-reservation", "32m", "--cpus", "0.5", "--cpuset-cpus", "0",
               "--cpu-shares", "512", "--pids-limit", "77", "one")  # fmt: skip
    files = "memory.max memory.swap.max memory.low cpu.max cpuset.cpus pids.max"
    seen = host.run(f"cd {host.group('one')} && cat {files}").splitlines()
    assert seen == [str(96 << 20), str(32 << 20), str(32 << 20), "50000 100000", "0", "77"]
    assert told(host, "one")["state"]["pid"] == pid


def test_namespaces_of_others(host: Host) -> None:
    host.berth("run", "-d", "--name", "one", "--network", "none", "--ipc", "shareable", "base", "sleep", "1000")
    host.berth("exec", "one", "sh", "-c", "echo hello > /dev/shm/word")
    words = ["run", "--rm", "--network", "none", "--pid", "container:one", "--ipc", "container:one", "base", "sh", "-c"]
    assert host.berth(*words, "cat /dev/shm/word; ps -o args | grep -c 'sleep 100[0]'").splitlines() == ["hello", "1"]
    script = "ls -d /proc/1 && ! cat /proc/1/environ 2>/dev/null && echo shut"
    assert host.berth("run", "--rm", "--network", "none", "--pid", "host", "base", "sh", "-c", script).endswith("shut")


LABEL = ("cat", "/proc/self/attr/apparmor/current")
MOUNT = ("--cap-add", "SYS_ADMIN", "base", "sh", "-c", "mount -t tmpfs none /mnt && echo mounted")
PROFILE = """
profile narrow flags=(attach_disconnected,mediate_deleted) {
  network,
  capability,
  file,
  signal,
  deny /etc/shut rw,
}
"""


@pytest.mark.short
def test_the_default_profile_of_apparmor(host: Host) -> None:
    """It is loaded when it is needed, and holds what a capability alone would let through."""
    assert host.run("cat /sys/module/apparmor/parameters/enabled") == "Y\n"
    host.berth("run", "-d", "--name", "one", "--network", "none", "base", "sleep", "1000")
    assert told(host, "one")["security"]["apparmor"] == "berth-default"
    assert host.berth("exec", "one", *LABEL) == "berth-default (enforce)"
    assert (
        host.run(f"cat /proc/{told(host, 'one')['state']['pid']}/attr/apparmor/current") == "berth-default (enforce)\n"
    )
    run = ("run", "--rm", "--network", "none")
    assert "denied" in host.berth(*run, *MOUNT, check=False)
    free = (*run, "--security-opt", "apparmor=unconfined")
    assert host.berth(*free, "base", *LABEL).startswith("unconfined")
    assert host.berth(*free, *MOUNT) == "mounted"


def test_a_profile_of_apparmor_by_its_name(host: Host) -> None:
    asked = host.berth("run", "--rm", "--security-opt", "apparmor=nowhere", "base", "true", check=False)
    assert "apparmor=nowhere is not loaded on this host" in asked
    host.run("apparmor_parser --replace --skip-cache", stdin=PROFILE)
    task = "security_opts=apparmor=narrow name=one image=base network_mode=none command='sleep 1000'"
    assert "CHANGED" in host.ask("container", task)
    assert "SUCCESS" in host.ask("container", task)
    assert told(host, "one")["security"]["apparmor"] == "narrow"
    assert host.berth("exec", "one", *LABEL) == "narrow (enforce)"
    said = host.berth("exec", "one", "sh", "-c", "echo x > /etc/open && echo open; echo x > /etc/shut", check=False)
    assert said.startswith("open\n")
    assert "ermission denied" in said


def test_apparmor_without_its_parser(host: Host) -> None:
    """There is no profile then, and the container's entry says so."""
    host.run("echo 'profile berth-default {}' | apparmor_parser --remove; mv /usr/sbin/apparmor_parser /root/")
    try:
        host.berth("run", "-d", "--name", "one", "--network", "none", "base", "sleep", "1000")
        assert "no apparmor_parser" in told(host, "one")["security"]["note"]
        assert host.berth("exec", "one", *LABEL).startswith("unconfined")
    finally:
        host.run("mv /root/apparmor_parser /usr/sbin/")
