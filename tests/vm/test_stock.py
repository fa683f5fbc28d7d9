# SPDX-License-Identifier: GPL-3.0-or-later
"""What a newcomer does in the first hour, on a distribution's own kernel whose modules are loaded when they are needed."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import time

import pexpect
import pytest

from ansible_collections.berth.containers.tests.vm.conftest import ROOT, Host, figures

HOG = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo survived"
SERVE = "mkdir -p /srv; hostname > /srv/index.html; exec httpd -f -p 80 -h /srv"


@pytest.mark.short
def test_run(host: Host) -> None:
    begun = time.monotonic()
    assert host.berth("run", "--rm", "base", "id") == "uid=0(root) gid=0(root)"
    figures.append(f"berth run --rm over ssh: {time.monotonic() - begun:.1f} s")
    assert host.berth("run", "--rm", "base", "sh", "-c", "exit 5", check=False).endswith("[5]")


def test_user_namespaces(host: Host) -> None:
    first = host.berth("run", "--rm", "base", "awk", "{print $1, ($2 > 0), $3}", "/proc/self/uid_map")
    assert first == "0 1 65536"
    assert host.berth("run", "--rm", "--userns", "host", "base", "awk", "{print $2}", "/proc/self/uid_map") == "0"
    assert host.berth("run", "--rm", "base", "stat", "-c", "%u", "/bin/busybox") == "0"


def test_a_terminal_through_ssh(host: Host) -> None:
    command = host.machine.ssh("berth run -it --rm base /bin/sh; echo end=$?", terminal=True)
    child = pexpect.spawn(command[0], command[1:], timeout=60, dimensions=(30, 90))
    try:
        child.expect("# ")
        child.sendline("sleep 1000")
        time.sleep(2)
        child.sendintr()
        child.expect("# ")
        child.setwinsize(33, 101)
        time.sleep(2)
        child.sendline("stty size; tty; exit 7")
        child.expect("33 101\r\n/dev/pts/0")
        child.expect("end=7")
    finally:
        child.close(force=True)


def test_a_memory_hog_dies_alone(host: Host) -> None:
    host.berth("run", "-d", "--name", "other", "base", "sleep", "1000")
    assert host.berth("run", "--name", "hog", "-m", "64M", "base", "sh", "-c", HOG, check=False).endswith("[137]")
    assert '"oom_killed": true' in host.berth("inspect", "hog")
    assert host.berth("exec", "other", "echo", "alive") == "alive"


def test_half_a_processor(host: Host) -> None:
    host.berth(
        "run", "-d", "--name", "burn", "--cpus", "0.5", "base", "sh", "-c", "while :; do :; done & while :; do :; done"
    )
    stat = f"{host.group('burn')}/cpu.stat"
    # The clock is the guest's own: an emulated processor may stand still for the host.
    used, passed = host.run(
        f"f() {{ echo $(awk '/usage_usec/ {{print $2}}' {stat}) $(($(date +%s%N) / 1000)); }}; set -- $(f); sleep 8; set -- $* $(f); "
        "echo $(($3 - $1)) $(($4 - $2))"
    ).split()  # fmt: skip
    share = int(used) / int(passed)
    figures.append(f"--cpus 0.5 used {share:.3f}")
    assert 0.2 < share <= 0.55


def test_a_fork_bomb_is_bounded(host: Host) -> None:
    script = "i=0; while [ $i -lt 60 ]; do sleep 100 & i=$((i+1)); done"
    said = host.berth("run", "--name", "bomb", "--pids-limit", "20", "base", "sh", "-c", script, check=False)
    assert "can't fork" in said


@pytest.mark.short
def test_networks(host: Host) -> None:
    for name in ("one", "two"):
        host.berth(
            "run", "-d", "--name", name, "-p", f"{8080 if name == 'one' else 8088}:80", "base", "sh", "-c", SERVE
        )
    first, second = (host.berth("exec", name, "hostname") for name in ("one", "two"))
    ask = "timeout 10 busybox wget -qO- http://{}/"
    assert host.berth("exec", "one", "wget", "-qO-", "http://two/") == second
    assert host.run(ask.format("127.0.0.1:8080")).strip() == first
    address = host.run("hostname -I").split()[0]
    assert host.run(ask.format(f"{address}:8088")).strip() == second
    # From another host, which is ours: the forwarded port comes in on the machine's own address.
    outside = subprocess.run(
        ["curl", "-s", "--max-time", "10", f"http://127.0.0.1:{host.machine.web}/"], capture_output=True, text=True, check=True
    )  # fmt: skip
    assert outside.stdout.strip() == second
    assert host.berth("run", "--rm", "--network", "none", "base", "ls", "/sys/class/net").split() == ["lo"]
    assert "ens" in host.berth("run", "--rm", "--network", "host", "base", "ls", "/sys/class/net")


def test_outwards(host: Host) -> None:
    """Through NAT to the machine's own ssh server on its address, and to the world beyond it."""
    said = host.berth("run", "--rm", "base", "sh", "-c", "nc -w 5 10.0.2.15 22 < /dev/null | head -c 8")
    assert said == "SSH-2.0-"


@pytest.mark.short
def test_life(host: Host) -> None:
    host.berth("run", "-d", "--name", "life", "--stop-timeout", "1", "base", "sleep", "1000")
    host.berth("exec", "life", "sh", "-c", "echo new > /etc/new; rm /bin/ls")
    host.berth("commit", "life", "changed")
    assert host.run(f"cat {host.group('life')}/cgroup.freeze") == "0\n"
    assert host.berth("run", "--rm", "changed", "sh", "-c", "cat /etc/new; [ -e /bin/ls ] || echo gone") == "new\ngone"
    host.berth("stop", "life")
    host.berth("start", "life")
    assert host.berth("exec", "life", "cat", "/etc/new") == "new"
    host.berth("rm", "-f", "life")


def test_mounts(host: Host) -> None:
    host.run("mkdir -p /srv/data && echo host > /srv/data/file && chown 0:0 /srv/data/file")
    said = host.berth(
        *("run", "--rm", "--read-only", "--tmpfs", "/scratch", "-v", "/srv/data:/data", "base", "sh", "-c"),
        "stat -c %u /data/file; echo container > /data/file; touch /scratch/x && touch /x",
        check=False,
    )
    assert said.startswith("0\n")
    assert "Read-only file system" in said
    assert host.run("cat /srv/data/file; stat -c %u /srv/data/file") == "container\n0\n"


def test_the_quickstart_from_a_controller(host: Host) -> None:
    begun = time.monotonic()
    said = host.play("playbooks/quickstart.yml", "-e", "quickstart_hosts=all")
    figures.append(f"quickstart over ssh: {time.monotonic() - begun:.0f} s")
    assert "failed=0" in said


def test_the_demo_on_the_machine(host: Host, tmp_path: pathlib.Path) -> None:
    version = host.run("python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'").strip()
    wheels = host.machine.image.disk.parent / "wheels"
    only = ("--only-binary=:all:", "--python-version", version)
    pip = [sys.executable, "-m", "pip", "download", "-q", *only, "-d", wheels, "-r", ROOT / "requirements/demo.txt"]
    subprocess.run(pip, check=True)
    subprocess.run([ROOT / ".ci/copy", tmp_path], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    host.machine.send(tmp_path / "ansible_collections/berth/containers", "/root/berth")
    host.machine.send(wheels, "/root/wheels")
    begun = time.monotonic()
    said = host.run("cd berth && PIP_NO_INDEX=1 PIP_FIND_LINKS=/root/wheels ./dev demo", patience=600)
    figures.append(f"./dev demo, first run: {time.monotonic() - begun:.0f} s")
    assert "what it made is removed" in said
