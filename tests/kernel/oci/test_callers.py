# SPDX-License-Identifier: GPL-3.0-or-later
"""What callers of runtimes rely on beside the specification: options, statuses and documents as runc has them."""

from __future__ import annotations

import glob
import json
import os
import pathlib
import signal
import socket
import subprocess

import pytest

from .conftest import CAPABILITIES, MOUNTS, Runtime, until


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


def test_a_spec_to_begin_with_runs(oci: Runtime) -> None:
    bundle = oci.bundle("true")
    assert "exists" in oci.refused("spec", "--bundle", str(bundle))
    (bundle / "config.json").unlink()
    assert oci.ok("spec", "-b", str(bundle)) == ""
    config = json.loads((bundle / "config.json").read_text())
    config["process"].update(args=["sh", "-c", "id; touch /x; cat /proc/self/status"], terminal=False)
    config["linux"]["cgroupsPath"] = f"/{oci.group}/spec"
    (bundle / "config.json").write_text(json.dumps(config))
    done = oci.once(bundle)
    assert done.stdout.startswith("uid=0"), done
    assert "Read-only file system" in done.stderr
    assert _sets(done.stdout)["CapEff"] == 1 << 29 | 1 << 10 | 1 << 5
    assert "\nNoNewPrivs:\t1\n" in done.stdout


class _Listener:
    """Somebody who is given a descriptor at a socket."""

    def __init__(self, path: pathlib.Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._socket.settimeout(10)

    def take(self) -> int:
        with self._socket.accept()[0] as end:
            return socket.recv_fds(end, 100, 1)[1][0]


def test_a_descriptor_of_the_process_is_given_away(oci: Runtime, tmp_path: pathlib.Path) -> None:
    listener = _Listener(tmp_path / "sock")
    oci.create("one", oci.bundle("sleep", "60"), "--pidfd-socket", str(tmp_path / "sock"))
    first = listener.take()
    oci.ok("start", "one")
    quiet = {"stdout": -3, "stderr": -3, "capture_output": False}
    oci.ok("exec", "-d", "--pidfd-socket", str(tmp_path / "sock"), "one", "sleep", "60", **quiet)
    other = listener.take()
    assert len(json.loads(oci.ok("ps", "--format", "json", "one"))) == 2
    signal.pidfd_send_signal(other, signal.SIGKILL)
    until(lambda: len(json.loads(oci.ok("ps", "--format", "json", "one"))) == 1)
    signal.pidfd_send_signal(first, signal.SIGKILL)
    oci.stopped("one")
    assert "is somebody listening there?" in oci.refused(
        "create", "-b", str(oci.bundle("true")), "--pidfd-socket", str(tmp_path / "nobody"), "two"
    )
    assert oci.ok("list", "-q") == "one\n"


def _path_of(bundle: pathlib.Path) -> str:
    return str(json.loads((bundle / "config.json").read_text())["linux"]["cgroupsPath"])


def _places(path: str) -> list[str]:
    """The group's directories, the unified one last."""
    found = [*glob.glob(f"/sys/fs/cgroup/*{path}"), *glob.glob(f"/sys/fs/cgroup{path}")]
    return sorted(found, key=lambda name: os.path.exists(f"{name}/cgroup.kill"))


def test_exec_goes_into_a_group_below(oci: Runtime) -> None:
    kinds = ("pid", "mount", "ipc", "uts", "network")
    bundle = oci.bundle("sleep", "60", linux_namespaces=[{"type": kind} for kind in kinds])
    oci.create("one", bundle)
    oci.ok("start", "one")
    path = _path_of(bundle)
    ask = ("one", "cat", "/proc/self/cgroup")
    assert "is not a sub cgroup path" in oci.refused("exec", "--cgroup", "..", *ask)
    assert "is not a sub cgroup path" in oci.refused("exec", "--cgroup", "x/../../..", *ask)
    assert "/inner: no such file" in oci.refused("exec", "--cgroup", "inner", *ask)
    assert "unknown controller" in oci.refused("exec", "--cgroup", "nonsense:inner", *ask)
    for place in _places(path):
        os.mkdir(f"{place}/inner")
        for name in ("cpuset.cpus", "cpuset.mems"):
            if "/cpuset/" in place:  # empty at first, and none may go there then
                pathlib.Path(f"{place}/inner/{name}").write_text(pathlib.Path(f"{place}/{name}").read_text())
    inner = [f"{line}/inner" for line in oci.ok("exec", "--cgroup", "/", *ask).splitlines() if path in line]
    assert [line for line in oci.ok("exec", "--cgroup", "inner", *ask).splitlines() if path in line] == inner
    if os.path.isdir("/sys/fs/cgroup/pids"):
        told = oci.ok("exec", "--cgroup", "pids:inner", *ask)
        assert f":pids:{path}/inner\n" in told
        assert told.count("/inner\n") == 1
    for place in _places(path):
        os.rmdir(f"{place}/inner")


def test_exec_goes_to_the_first_process_where_groups_are_managed_inside(oci: Runtime) -> None:
    bundle = oci.bundle("sleep", "60")
    pid = oci.create("one", bundle)
    oci.ok("start", "one")
    own = pathlib.Path(_places(_path_of(bundle))[-1])
    (controller, *_others) = (own.parents[1] / "cgroup.subtree_control").read_text().split()
    (own.parent / "cgroup.subtree_control").write_text(f"+{controller}")
    (own / "init.scope").mkdir()
    (own / "init.scope/cgroup.procs").write_text(str(pid))
    (own / "cgroup.subtree_control").write_text(f"+{controller}")
    path = bundle / "spare"
    oci.ok("exec", "-d", "--pid-file", str(path), "one", "sleep", "60", stdout=-3, stderr=-3, capture_output=False)
    assert (own / "init.scope/cgroup.procs").read_text().split() == [str(pid), path.read_text()]
    oci.ok("delete", "--force", "one")


def test_a_group_of_others_is_not_taken(oci: Runtime) -> None:
    first, second = oci.bundle("sleep", "60"), oci.bundle("true")
    config = json.loads((second / "config.json").read_text())
    config["linux"]["cgroupsPath"] = _path_of(first)
    (second / "config.json").write_text(json.dumps(config))
    pid = oci.create("one", first)
    assert f"cgroup is not empty: process {pid} is in" in oci.refused("create", "-b", str(second), "two")
    assert oci.state("one")["status"] == "created"
    oci.ok("delete", "--force", "one")
    assert oci.once(second).returncode == 0


def test_a_group_in_which_all_was_killed_once_serves_again(oci: Runtime) -> None:
    bundle = oci.bundle("echo", "here")
    path = _path_of(bundle)
    unified = "/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"
    os.makedirs(f"{unified}{path}")
    try:
        pathlib.Path(f"{unified}{path}/cgroup.kill").write_text("1")
        done = oci.once(bundle)
        assert (done.returncode, done.stdout) == (0, "here\n"), done.stderr
    finally:
        os.rmdir(f"{unified}{path}")
        os.rmdir(os.path.dirname(f"{unified}{path}"))


def test_lines_that_no_terminal_shows_end_as_they_were_written(oci: Runtime) -> None:
    done = oci.once(oci.bundle("sh", "-c", "echo a; tty", process_terminal=True), text=False)
    assert done.stdout == b"a\n/dev/pts/0\n"
    oci.create("one", oci.bundle("sleep", "60"))
    oci.ok("start", "one")
    assert oci("exec", "-t", "one", "echo", "a", text=False).stdout == b"a\n"


def test_ps_is_what_ps_says(oci: Runtime) -> None:
    pid = oci.create("one", oci.bundle("sleep", "60"))
    head, line = oci.ok("ps", "one").splitlines()
    assert head.split()[:3] == ["UID", "PID", "PPID"]
    assert line.split()[:2] == ["root", str(pid)]
    lines = oci.ok("ps", "one", "-e", "-o", "comm,pid").splitlines()
    assert [line.split()[-1] for line in lines] == ["PID", str(pid)]
    assert "no column PID" in oci.refused("ps", "one", "-e", "-o", "comm")
    assert "ps --nonsense" in oci.refused("ps", "one", "--nonsense")
    assert json.loads(oci.ok("ps", "-f", "json", "one")) == [pid]


def test_events_tell_what_is_used(oci: Runtime) -> None:
    oci.create("one", oci.bundle("sleep", "60", linux_resources={"pids": {"limit": 50}, "memory": {"limit": 64 << 20}}))
    (line,) = oci.ok("events", "--stats", "one").splitlines()
    event = json.loads(line)
    assert (event["type"], event["id"]) == ("stats", "one")
    assert event["data"]["pids"] == {"current": 1, "limit": 50}
    assert event["data"]["memory"]["usage"]["limit"] == 64 << 20
    assert 0 < event["data"]["memory"]["usage"]["usage"] < 64 << 20
    assert event["data"]["cpu"]["usage"]["total"] > 0
    assert "does not exist" in oci.refused("events", "--stats", "two")
    assert "--interval" in oci.refused("events", "--interval", "0", "one")


def test_events_tell_of_kills_and_end_with_the_container(oci: Runtime) -> None:
    limits = {"memory": {"limit": 32 << 20, "swap": 32 << 20}}
    program = "echo $$ > /tmp/at; until [ -e /tmp/go ]; do sleep 0.1; done; (x=$(cat /dev/zero | tr '\\0' a)); sleep 60"
    bundle = oci.bundle("sh", "-c", program, linux_resources=limits)
    oci.create("one", bundle)
    oci.ok("start", "one")
    command = [oci.program, "--root", oci.root, "events", "--interval", "50ms", "one"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        assert json.loads(watcher.stdout.readline())["type"] == "stats"
        (bundle / "rootfs/tmp/go").touch()
        for line in watcher.stdout:
            if json.loads(line) == {"type": "oom", "id": "one"}:
                break
        oci.ok("kill", "one", "KILL")
        kinds = {json.loads(line)["type"] for line in watcher.stdout}
        assert watcher.wait(10) == 0
    assert kinds <= {"stats", "oom"}


def test_debug_goes_to_the_log(oci: Runtime, tmp_path: pathlib.Path) -> None:
    assert "level=debug list begins: -q" in oci("--debug", "list", "-q").stderr
    path = tmp_path / "log"
    done = oci("--debug", "--log", str(path), "--log-format", "json", "list", "-q")
    assert (done.stdout, done.stderr) == ("", "")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["level"] for line in lines] == ["debug", "debug"]
    assert "status 0" in lines[1]["msg"]


def test_a_script_without_its_interpreter_is_told_from_none(oci: Runtime) -> None:
    bundle = oci.bundle("/run.sh")
    (bundle / "rootfs/run.sh").write_text("#!/not/there\n")
    (bundle / "rootfs/run.sh").chmod(0o755)
    said = oci.refused("run", "-b", str(bundle), "one")
    assert "interpreter" in said
    assert said.endswith("exec /run.sh: no such file or directory\n")


@pytest.mark.parametrize("stays", [True, False])
def test_hooks_in_the_container_are_under_its_filter(oci: Runtime, *, stays: bool) -> None:
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    ]}  # fmt: skip
    hook = {"path": "/bin/busybox", "args": ["mkdir", "/made"]}
    bundle = oci.bundle(
        "true", linux_seccomp=profile, hooks={"startContainer": [hook]}, process_noNewPrivileges=stays
    )  # fmt: skip
    assert "error running startContainer hook #0" in oci.refused("run", "-b", str(bundle), "one")
    assert not (bundle / "rootfs/made").exists()


def test_the_waiting_process_holds_no_group(oci: Runtime) -> None:
    pid = oci.create("one", oci.bundle("true"))
    held = [os.readlink(path) for path in glob.glob(f"/proc/{pid}/fd/*")]
    assert held
    assert not [name for name in held if name.startswith("/sys/fs/cgroup")]


@pytest.mark.parametrize("user", [True, False])
def test_exec_has_the_deadlines_of_the_container(oci: Runtime, *, user: bool) -> None:
    deadline = {"policy": "SCHED_DEADLINE", "runtime": 42_000, "deadline": 1_000_000, "period": 1_000_000}
    oci.create("one", oci.bundle("sleep", "60", user=user, process_scheduler=deadline))
    oci.ok("start", "one")
    fields = oci.ok("exec", "one", "cat", "/proc/self/stat").rpartition(")")[2].split()
    assert fields[38] == "6"  # proc_pid_stat(5), field 41; the third is the first here


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT"])
def test_a_container_that_waits_ends_when_told_to(oci: Runtime, name: str) -> None:
    oci.create("one", oci.bundle("sleep", "60"))
    oci.ok("kill", "one", name)
    oci.stopped("one")
    assert "is stopped" in oci.refused("start", "one")


def test_a_program_gets_no_handlers_of_the_wait(oci: Runtime) -> None:
    bundle = oci.bundle("cat", "/proc/self/status")
    oci.create("one", bundle)
    oci.ok("start", "one")
    oci.stopped("one")
    status = (bundle / "output").read_text()
    for name in ("SigCgt", "SigIgn", "SigBlk"):
        assert f"\n{name}:\t{0:016x}\n" in status


@pytest.mark.parametrize("user", [True, False])
def test_a_root_without_pivot(oci: Runtime, *, user: bool) -> None:
    script = "pwd; ls /; touch /x; ls /../..; busybox grep -c . /proc/self/mountinfo; busybox unshare -mrpf sh -c '{}'"
    inner = "mount -t proc none /proc && echo revealed"
    bundle = oci.bundle(
        "sh", "-c", script.format(f"busybox {inner}"), user=user, root={"path": "rootfs", "readonly": True}
    )
    config = json.loads((bundle / "config.json").read_text())
    for kind in ("bounding", "permitted", "effective"):
        config["process"]["capabilities"][kind] = [*CAPABILITIES, "CAP_SETFCAP"]
    (bundle / "config.json").write_text(json.dumps(config))
    done = oci("run", "--no-pivot", "-b", str(bundle), "one")
    words = done.stdout.split()
    root = sorted(os.listdir(bundle / "rootfs"))
    assert words[0] == "/"
    assert words[1 : 1 + len(root)] == root == words[1 + len(root) : 1 + 2 * len(root)]
    assert "warning: --no-pivot" in done.stderr
    assert "/x: Read-only file system" in done.stderr
    assert "revealed" not in done.stdout
    assert "permission denied" in done.stderr or "Operation not permitted" in done.stderr
    assert oci.traces() == []


def test_an_update_of_swap_alone_keeps_the_limit_of_memory(oci: Runtime) -> None:
    bundle = oci.bundle("sleep", "60", linux_resources={"memory": {"limit": 32 << 20}})
    oci.create("one", bundle)
    oci.ok("update", "--memory-swap", "48M", "one")
    old, new = f"/sys/fs/cgroup/memory{_path_of(bundle)}", f"/sys/fs/cgroup{_path_of(bundle)}"
    if os.path.isdir(old):
        held = [pathlib.Path(f"{old}/memory.{name}limit_in_bytes").read_text() for name in ("", "memsw.")]
        assert held == [f"{32 << 20}\n", f"{48 << 20}\n"]
    else:
        held = [pathlib.Path(f"{new}/memory.{name}").read_text() for name in ("max", "swap.max")]
        assert held == [f"{32 << 20}\n", f"{16 << 20}\n"]
    bundle = oci.bundle("sleep", "60")
    oci.create("two", bundle)
    assert "memory.limit" in oci.refused("update", "--memory-swap", "48M", "two")


def test_a_mount_point_is_made_in_a_directory_of_others(oci: Runtime) -> None:
    bundle = oci.bundle(
        "ls", "/tmp", user=True, mounts=[*MOUNTS, {"destination": "/tmp/new", "type": "tmpfs", "source": "x"}]
    )
    os.chown(bundle / "rootfs/tmp", 0, 0)
    (bundle / "rootfs/tmp").chmod(0o1777)
    done = oci.once(bundle)
    assert (done.returncode, done.stdout) == (0, "new\n"), done.stderr


def test_signal_0_only_asks(oci: Runtime) -> None:
    oci.create("one", oci.bundle("sleep", "60"))
    oci.ok("kill", "one", "0")
    assert oci.state("one")["status"] == "created"
    oci.ok("kill", "one", "KILL")
    oci.stopped("one")
    assert "container not running" in oci.refused("kill", "one", "0")


def test_a_list_for_programs_is_one_line(oci: Runtime) -> None:
    assert oci.ok("list", "--format", "json") == "[]\n"
    oci.create("one", oci.bundle("true"))
    line = oci.ok("list", "--format", "json")
    assert line.count("\n") == 1
    assert [entry["id"] for entry in json.loads(line)] == ["one"]
