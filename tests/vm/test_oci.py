# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles of others below systemd: with --systemd-cgroup each is in a scope of its own, and nothing of it stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.tests.vm.conftest import Host

OCI = "berth-oci --systemd-cgroup"
SCOPE = "/sys/fs/cgroup/tests.slice/tests-deep.slice/oci-one.scope"
NAMESPACES = ("pid", "mount", "ipc", "uts", "cgroup", "network")
HELD = "67108864\n50000 100000\n50\n"


def configure(host: Host, path: str | None, *args: str) -> None:
    """Make /root/bundle a bundle whose process is `args`, with limits, and groups at `path`."""
    linux: dict[str, object] = {
        "namespaces": [{"type": kind} for kind in NAMESPACES],
        "resources": {"memory": {"limit": 64 << 20}, "cpu": {"quota": 50000, "period": 100000}, "pids": {"limit": 50}},
    }
    config = {
        "ociVersion": "1.0.2",
        "process": {"args": args, "cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"]},
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {**linux, "cgroupsPath": path} if path else linux,
    }
    host.run("mkdir -p /root/bundle && cat > /root/bundle/config.json", stdin=json.dumps(config))


def run(host: Host, name: str, *, check: bool = True) -> str:
    return host.run(
        f"{OCI} run -d -b /root/bundle {name} </dev/null 2>/root/said >/dev/null || {{ cat /root/said; exit 1; }}",
        check=check,
    )


@pytest.fixture(autouse=True)
def bundle(host: Host) -> Iterator[None]:
    host.run("cd /root && mkdir -p bundle/rootfs/bin bundle/rootfs/proc && cp /bin/busybox bundle/rootfs/bin/")
    yield
    host.run(
        "for name in $(berth-oci list -q); do berth-oci delete --force $name; done; systemctl stop tests.slice; rm -r bundle"
    )


@pytest.mark.short
def test_a_scope_with_limits_that_stay(host: Host) -> None:
    configure(host, "tests-deep.slice:oci:one", "busybox", "sleep", "1000")
    run(host, "one")
    said = host.run("systemctl show -p Slice,Delegate,ActiveState,Description oci-one.scope")
    assert set(said.splitlines()) == {
        "Slice=tests-deep.slice", "Delegate=yes", "ActiveState=active", "Description=container one",
    }  # fmt: skip
    limits = f"cd {SCOPE}/container && cat memory.max cpu.max pids.max"
    assert host.run(limits) == HELD
    host.run("systemctl daemon-reload; systemd-run --wait -q -p CPUQuota=20% -p MemoryMax=50M true")
    assert host.run(limits) == HELD
    assert host.run("berth-oci exec one busybox cat /proc/self/cgroup") == "0::/\n"
    assert host.run(f"ls -d {SCOPE}/*/; wc -l < {SCOPE}/container/cgroup.procs") == f"{SCOPE}/container/\n1\n"
    host.run(f"berth-oci update --memory {96 << 20} one && berth-oci pause one")
    assert host.run(f"cd {SCOPE}/container && cat memory.max cgroup.freeze") == f"{96 << 20}\n1\n"
    host.run("berth-oci delete --force one")
    assert host.run(f"ls -d {SCOPE}; systemctl list-units --all --no-legend oci-one.scope", check=False).startswith(
        "ls: "
    )


def test_the_same_name_again_and_again(host: Host) -> None:
    configure(host, None, "busybox", "sleep", "1000")
    scope = "/sys/fs/cgroup/system.slice/berth-oci-again.scope"
    for _round in range(4):
        run(host, "again")
        assert host.run(f"wc -l < {scope}/container/cgroup.procs") == "1\n"
        host.run(f"berth-oci delete --force again && [ ! -e {scope} ]")


def test_systemd_stops_what_is_in_a_scope(host: Host) -> None:
    configure(host, ":oci:stopped", "busybox", "sh", "-c", "trap 'exit 4' TERM; busybox sleep 1000 & wait")
    run(host, "stopped")
    host.run("systemctl stop oci-stopped.scope")
    assert json.loads(host.run("berth-oci state stopped"))["status"] == "stopped"
    host.run("berth-oci delete stopped")


def test_a_scope_of_others_is_left_alone(host: Host) -> None:
    configure(host, ":oci:taken", "busybox", "true")
    host.run("systemd-run -q --scope --unit=oci-taken sleep 1000 </dev/null >/dev/null 2>&1 &")
    host.run("until systemctl is-active -q oci-taken.scope; do sleep 0.1; done")
    try:
        assert re.search("systemd has a unit oci-taken.scope already", run(host, "taken", check=False))
        assert host.run("berth-oci list -q") == ""
        assert host.run("systemctl is-active oci-taken.scope") == "active\n"
    finally:
        host.run("systemctl stop oci-taken.scope || true")
