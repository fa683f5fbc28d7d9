# SPDX-License-Identifier: GPL-3.0-or-later
"""What a foreign bundle's processes see: ids, descriptors, terminals, hooks, and what they can't reach."""

from __future__ import annotations

import array
import fcntl
import json
import os
import pathlib
import socket
import struct
import subprocess
import termios
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.runtime import sealed

from .conftest import Runtime, until

# For what goes on running: nobody waits for the end of its output.
NOWHERE: dict[str, Any] = {"capture_output": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def said(oci: Runtime, bundle: pathlib.Path, **options: Any) -> str:
    done = oci.once(bundle, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_ids_are_mapped(oci: Runtime) -> None:
    bundle = oci.bundle("sh", "-c", "id -u; id -G; stat -c %u /bin /dev/null; cat /proc/self/uid_map", user=True,
                        process_user={"uid": 5, "gid": 6, "additionalGids": [7]})  # fmt: skip
    words = said(oci, bundle).split()
    assert words == ["5", "6", "7", "0", "0", "0", "100000", "1000"]


def test_a_user_namespace_that_is_told_of_no_ids_has_the_callers(oci: Runtime) -> None:
    bundle = oci.bundle("sh", "-c", "id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map", user=True,
                        linux_uidMappings=[], linux_gidMappings=None)  # fmt: skip
    subprocess.run(["chown", "-R", "0:0", str(bundle / "rootfs")], check=True)
    assert said(oci, bundle).split() == ["0", "0", *["0", "0", "1"] * 2]
    half = oci.bundle("true", user=True, linux_gidMappings=[])
    assert "needs both" in oci.refused("run", "-b", str(half), "half")


def test_a_user_namespace_can_be_joined(oci: Runtime) -> None:
    pid = oci.create("one", oci.bundle("sleep", "60", user=True))
    kinds = {"user": "user", "network": "net", "ipc": "ipc", "uts": "uts"}
    spaces = [{"type": kind, "path": f"/proc/{pid}/ns/{file}"} for kind, file in kinds.items()]
    bundle = oci.bundle(
        "sh", "-c", "id -u; readlink /proc/self/ns/user; readlink /proc/self/ns/net", user=True, hostname="",
        linux_namespaces=[*spaces, {"type": "pid"}, {"type": "mount"}], linux_uidMappings=[], linux_gidMappings=[],
    )  # fmt: skip
    links = [os.readlink(f"/proc/{pid}/ns/{file}") for file in ("user", "net")]
    assert said(oci, bundle).split() == ["0", *links]


def test_time_goes_its_own_way(oci: Runtime) -> None:
    bundle = oci.bundle(
        "cat", "/proc/uptime", linux_namespaces=[{"type": kind} for kind in ("pid", "mount", "time", "uts")],
        linux_timeOffsets={"boottime": {"secs": 10_000_000}},
    )  # fmt: skip
    assert float(said(oci, bundle).split()[0]) > 10_000_000


def test_nothing_leaks_but_what_is_to_be_kept(oci: Runtime) -> None:
    bundle = oci.bundle("sh", "-c", "cd /proc/self/fd; echo *; cat /proc/self/environ")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        line = f'exec 3</etc 9</etc; LEAKED=1 exec {oci.program} --root {oci.root} run "$@"'
        command = ["sh", "-c", line, "sh", *words, "-b", str(bundle), "one"]
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    done = run()
    # The last one is of the shell that looks.
    assert done.stdout.split("\n")[0].split()[:3] == ["0", "1", "2"]
    assert "9" not in done.stdout.split("\n")[0].split()
    assert len(done.stdout.split("\n")[0].split()) <= 4
    assert "LEAKED" not in done.stdout
    assert len(run("--preserve-fds", "1").stdout.split("\n")[0].split()) == len(done.stdout.split("\n")[0].split()) + 1
    assert "descriptor 4 is not open" in run("--preserve-fds", "2").stderr


def test_the_interpreter_can_not_be_written_to(oci: Runtime) -> None:
    """While it waits it is Python, and by its link a container's root could reach the host's (CVE-2019-5736)."""
    pid = oci.create("one", oci.bundle("sleep", "60"))
    exe = f"/proc/{pid}/exe"
    assert os.stat(exe).st_ino == os.stat("/usr/bin/python3").st_ino
    assert os.statvfs(exe).f_flag & os.ST_RDONLY
    with open("/proc/self/mountinfo") as file:
        assert os.path.realpath("/usr/bin/python3") not in [line.split(" ")[3] for line in file]


def test_a_copy_of_the_interpreter_is_sealed() -> None:
    """Where there are no detached mounts."""
    copy = sealed._copy(os.path.realpath("/bin/busybox"))
    try:
        assert fcntl.fcntl(copy, fcntl.F_GET_SEALS) == 0xF
        with pytest.raises(PermissionError):
            os.write(copy, b"x")
        assert os.fstat(copy).st_size == os.stat("/bin/busybox").st_size
    finally:
        os.close(copy)


def test_who_waits_can_not_be_looked_into(oci: Runtime) -> None:
    pid = oci.create("one", oci.bundle("sleep", "60"))
    assert os.stat(f"/proc/{pid}/environ").st_uid == 0
    with open(f"/proc/{pid}/environ", "rb") as file:
        assert file.read() == b""
    assert oci.state("one")["status"] == "created"


class Console:
    """Whoever listens at a console socket."""

    def __init__(self, place: pathlib.Path) -> None:
        self.path = str(place / "console.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.listener.settimeout(10)

    def take(self) -> int:
        end, _address = self.listener.accept()
        with end, self.listener:
            fds = array.array("i")
            _data, rights, _flags, _from = end.recvmsg(100, socket.CMSG_LEN(4))
            fds.frombytes(rights[0][2])
        return fds[0]


def read_until(fd: int, word: bytes) -> bytes:
    data = b""
    while word not in data:
        data += os.read(fd, 1000)
    return data


def test_a_terminal(oci: Runtime) -> None:
    console = Console(oci.place)
    bundle = oci.bundle(
        "sh", "-c", "tty; stty size; stat -c %u:%t /dev/console; read x; echo got-$x", process_terminal=True,
        process_consoleSize={"height": 11, "width": 33}, process_user={"uid": 1, "gid": 1},
    )  # fmt: skip
    assert "--console-socket" in oci.refused("create", "-b", str(bundle), "none")
    oci.create("one", bundle, "--console-socket", console.path)
    master = console.take()
    oci.ok("start", "one")
    try:
        assert read_until(master, b"\n1:88\r\n") == b"/dev/pts/0\r\n11 33\r\n1:88\r\n"
        os.write(master, b"word\n")
        assert b"got-word" in read_until(master, b"got-word")
        assert struct.unpack("HHHH", fcntl.ioctl(master, termios.TIOCGWINSZ, bytes(8)))[:2] == (11, 33)
    finally:
        os.close(master)


def test_exec(oci: Runtime) -> None:
    bundle = oci.bundle("sleep", "60", user=True, process_env=["PATH=/bin", "BASE=1"])
    oci.create("one", bundle)
    oci.ok("start", "one")
    script = "id -u; id -g; pwd; echo $BASE $MORE; cat /proc/self/uid_map; exit 5"
    done = oci("exec", "-u", "7:8", "--cwd", "/tmp", "-e", "MORE=2", "one", "sh", "-c", script)
    assert (done.returncode, done.stdout.split()) == (5, ["7", "8", "/tmp", "1", "2", "0", "100000", "1000"])
    process = {
        "args": ["sh", "-c", "echo $X; id -u"],
        "cwd": "/",
        "env": ["X=y", "PATH=/bin"],
        "user": {"uid": 9, "gid": 9},
    }
    (oci.place / "process.json").write_text(json.dumps(process))
    assert oci.ok("exec", "--process", str(oci.place / "process.json"), "one").split() == ["y", "9"]
    assert "/nope" in oci.refused("exec", "one", "/nope")
    oci.ok("exec", "-d", "--pid-file", str(oci.place / "pid"), "one", "sleep", "50", **NOWHERE)
    pid = int((oci.place / "pid").read_text())
    with open(f"/proc/{pid}/cgroup") as one, open(f"/proc/{oci.state('one')['pid']}/cgroup") as other:
        assert one.read() == other.read()


def test_hooks_run_where_and_when_they_should(oci: Runtime) -> None:
    note = oci.place / "notes"
    script = (
        'state=$(cat); status=${state#*\\"status\\":\\"}; '
        f'echo "$0 ${{status%%\\"*}} $(hostname) $(test -e rootfs/proc/self && echo mounted) $VAR" >>{note}'
    )

    def hook(kind: str) -> list[dict[str, Any]]:
        return [{"path": "/bin/sh", "args": [kind, "-c", script, kind], "env": ["VAR=v", f"PATH={os.environ['PATH']}"]}]

    kinds = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    hooks = {kind: hook(kind) for kind in kinds}
    hooks["startContainer"] = [{"path": "/bin/sh", "args": ["sh", "-c", "echo hook; cat >/state"]}]
    bundle = oci.bundle("sh", "-c", "echo program; exec sleep 60", hooks=hooks)
    oci.create("one", bundle)
    host = os.uname().nodename
    assert note.read_text().splitlines() == [
        f"prestart created {host}  v", f"createRuntime created {host}  v", "createContainer created inside mounted v",
    ]  # fmt: skip
    oci.ok("start", "one")
    until((bundle / "output").read_text)
    state = json.loads((bundle / "rootfs/state").read_text())
    assert (state["status"], state["pid"], state["id"]) == ("created", 1, "one")
    oci.ok("delete", "--force", "one")
    assert note.read_text().splitlines()[3:] == [f"poststart running {host}  v", f"poststop stopped {host}  v"]


@pytest.mark.parametrize("kind", ["startContainer", "poststart"])
def test_a_hook_that_fails_at_the_start_ends_the_container(oci: Runtime, kind: str) -> None:
    oci.create("one", oci.bundle("sleep", "60", hooks={kind: [{"path": "/bin/cat", "args": ["cat", "/not/there"]}]}))
    assert f"error running {kind} hook #0: {kind} hook failed with exit code 1" in oci.refused("start", "one")
    assert oci.traces() == []


def test_a_poststop_hook_that_fails_is_a_warning(oci: Runtime) -> None:
    done = oci.once(oci.bundle("true", hooks={"poststop": [{"path": "/bin/false"}]}))
    assert (done.returncode, done.stderr) == (
        0,
        "berth: warning: error running poststop hook #0: poststop hook failed with exit code 1: /bin/false\n",
    )


@pytest.mark.parametrize("stays", [True, False])
def test_a_filter_may_forbid_what_the_last_steps_could_do_without(oci: Runtime, stays: bool) -> None:
    rule = {"names": ["getcwd", "chdir"], "action": "SCMP_ACT_ERRNO"}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    bundle = oci.bundle(
        "sh", "-c", "cat /proc/self/status; cd /", linux_seccomp=profile, process_cwd="/tmp", process_noNewPrivileges=stays
    )  # fmt: skip
    done = oci.once(bundle)
    assert "Seccomp:\t2" in done.stdout, done
    assert done.returncode != 0


@pytest.mark.parametrize("fails", [False, True])
def test_without_a_mount_namespace_it_has_the_hosts_and_leaves_none(oci: Runtime, fails: bool) -> None:
    args = ["/not/there"] if fails else ["readlink", "/proc/self/ns/mnt"]
    bundle = oci.bundle(*args, hostname="", linux_namespaces=[{"type": kind} for kind in ("pid", "ipc")])
    done = oci.once(bundle)
    assert done.returncode == int(fails)
    assert fails or done.stdout.strip() == os.readlink("/proc/self/ns/mnt")
    assert oci.traces() == []
