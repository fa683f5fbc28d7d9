# SPDX-License-Identifier: GPL-3.0-or-later
"""What callers of runtimes rely on beside the specification: options, statuses and documents as runc has them."""

from __future__ import annotations

import json
import os
import pathlib
import signal

from .conftest import MOUNTS, Runtime, until


def _shared_pids(oci: Runtime, *args: str) -> pathlib.Path:
    kinds = ("mount", "ipc", "uts", "network", "cgroup")
    return oci.bundle(*args, linux_namespaces=[{"type": kind} for kind in kinds])


def _is_gone(pid: int) -> bool:
    try:
        return "\nState:\tZ" in pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def _spare(oci: Runtime, ident: str, bundle: pathlib.Path) -> int:
    path = bundle / "spare"
    quiet = {"stdout": -3, "stderr": -3, "capture_output": False}
    oci.ok("exec", "-d", "--pid-file", str(path), ident, "sleep", "60", **quiet)
    return int(path.read_text())


def test_kill_ends_all_where_pids_are_the_hosts(oci: Runtime) -> None:
    bundle = _shared_pids(oci, "sleep", "60")
    first = oci.create("one", bundle)
    oci.ok("start", "one")
    other = _spare(oci, "one", bundle)
    oci.ok("kill", "one", "KILL")
    until(lambda: _is_gone(first) and _is_gone(other))
    assert "container not running" in oci.refused("kill", "one", "KILL")


def test_kill_ends_what_has_outlived_the_first_process(oci: Runtime) -> None:
    bundle = _shared_pids(oci, "sleep", "60")
    first = oci.create("one", bundle)
    oci.ok("start", "one")
    other = _spare(oci, "one", bundle)
    os.kill(first, signal.SIGKILL)
    oci.stopped("one")
    assert not _is_gone(other)
    assert "container not running" in oci.refused("kill", "one", "TERM")
    oci.ok("kill", "one", "KILL")
    until(lambda: _is_gone(other))


def test_kill_with_a_pid_namespace_is_for_the_first_alone(oci: Runtime) -> None:
    bundle = oci.bundle("sleep", "60")
    pid = oci.create("one", bundle)
    oci.ok("start", "one")
    oci.ok("kill", "one", "KILL")
    until(lambda: _is_gone(pid))


def test_a_dev_that_is_read_only_has_its_nodes(oci: Runtime) -> None:
    mounts = [{**entry, "options": [*entry.get("options", ()), "ro"]} if entry["destination"] == "/dev" else entry
              for entry in MOUNTS]  # fmt: skip
    done = oci.once(oci.bundle("sh", "-c", "ls /dev; touch /dev/x; echo $?", mounts=mounts))
    assert {"null", "full", "pts", "stdin"} <= set(done.stdout.split())
    assert done.stdout.endswith("\n1\n")
    assert "Read-only" in done.stderr


def test_errors_of_exec_have_a_status_of_their_own(oci: Runtime) -> None:
    oci.create("one", oci.bundle("sleep", "60"))
    oci.ok("start", "one")
    assert oci("exec", "one", "sh", "-c", "exit 1").returncode == 1
    assert oci("exec", "--pid-file", "/not/there", "one", "true").returncode == 255
    assert oci("exec", "two", "true").returncode == 255
    assert oci("state", "two").returncode == 1


def test_a_capability_is_ambient_only_where_some_are_inherited(oci: Runtime) -> None:
    kill, chown, syslog = 1 << 5, 1, 1 << 34
    sets = {
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SYSLOG"], "permitted": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_KILL"],
        "inheritable": ["CAP_CHOWN", "CAP_SYSLOG"], "ambient": ["CAP_CHOWN"],
    }  # fmt: skip
    oci.create("one", oci.bundle("sleep", "60", process_capabilities=sets))
    oci.create("two", oci.bundle("sleep", "60"))
    for ident in ("one", "two"):
        oci.ok("start", ident)
    ask = ("--cap", "CAP_SYSLOG", "one", "cat", "/proc/self/status")
    assert _sets(oci.ok("exec", *ask[2:]))["CapAmb"] == chown
    assert _sets(oci.ok("exec", *ask)) == {
        "CapAmb": chown | syslog, "CapBnd": chown | kill | syslog, "CapEff": chown | kill | syslog,
        "CapPrm": chown | kill | syslog, "CapInh": chown | syslog,
    }  # fmt: skip
    assert _sets(oci.ok("exec", *ask[:2], "two", *ask[3:]))["CapAmb"] == 0


def _sets(status: str) -> dict[str, int]:
    found = (line.split(":") for line in status.splitlines() if line.startswith("Cap"))
    return {name: int(value, 16) for name, value in found}


def test_sizes_of_an_update_have_units(oci: Runtime) -> None:
    bundle = oci.bundle("sleep", "60")
    oci.create("one", bundle)
    oci.ok("update", "--memory", "64M", "one")
    path = json.loads((bundle / "config.json").read_text())["linux"]["cgroupsPath"]
    files = (f"/sys/fs/cgroup/memory{path}/memory.limit_in_bytes", f"/sys/fs/cgroup{path}/memory.max")
    assert [pathlib.Path(name).read_text() for name in files if os.path.exists(name)] == [f"{64 << 20}\n"]
    assert "--memory" in oci.refused("update", "--memory", "64X", "one")


def test_a_list_for_programs_is_one_line(oci: Runtime) -> None:
    assert oci.ok("list", "--format", "json") == "[]\n"
    oci.create("one", oci.bundle("true"))
    line = oci.ok("list", "--format", "json")
    assert line.count("\n") == 1
    assert [entry["id"] for entry in json.loads(line)] == ["one"]
