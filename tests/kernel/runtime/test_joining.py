# SPDX-License-Identifier: GPL-3.0-or-later
"""Joining a container of which nothing is trusted: what the joining process opens, imports and lets be seen."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils import _engine
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError, Unsupported
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime import joining
from ansible_collections.berth.containers.tests.kernel.house import House, in_child
from ansible_collections.berth.containers.tests.kernel.runtime.cell import KINDS, Cell

PROCESS: dict[str, Any] = {"env": ["PATH=/bin"], "cwd": "/", "user": {}}

# A program as it is on a host: an interpreter that has imported nothing yet. It tells what is opened and imported from the
# moment on at which it is in the container's mount namespace.
WATCHER = """
import os, sys
log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)
sys.path.append(sys.argv[1])
from _engine.container import execute, record
from _engine.kernel import files, process
from _engine.paths import Paths
from _engine.errors import EngineError

inside, real, openat2 = [], process.setns, files.openat2

def setns(fd, kind=0):
    real(fd, kind)
    if kind == process.NEWNS:
        inside.append(True)

def hook(event, arguments):
    if inside and event in ("import", "open"):
        os.write(log, f"{event} {arguments[0]}\\n".encode())

def opened(directory, path, *words, **more):
    # Python knows nothing of this call, and audits none.
    hook("open", (path,))
    return openat2(directory, path, *words, **more)

process.setns, files.openat2 = setns, opened
sys.addaudithook(hook)
paths = Paths(sys.argv[3])
found = record.find(paths, sys.argv[4])
for words in ({"argv": ("true",)}, {"argv": ("true",), "user": "nobody", "tty": True, "working_dir": "/tmp"},
              {"argv": ("nonsense",)}, {"argv": ("true",), "user": "nonsense"}):
    try:
        with execute.open_session(paths, found, execute.ExecSpec(**words)) as session:
            session.communicate(b"")
    except EngineError:
        continue
"""


def test_nothing_of_the_containers_is_opened_or_imported(house: House, tmp_path: pathlib.Path) -> None:
    """A module that Python looks for late would be the container's: only its users and its terminals are asked for."""
    name = house.up()["name"]
    engine = os.path.dirname(next(iter(_engine.__path__)))
    log = tmp_path / "log"
    words = [sys.executable, "-I", "-S", "-c", WATCHER, engine, str(log), house.paths.root, name]
    subprocess.run(words, check=True, timeout=60, stdin=subprocess.DEVNULL)
    seen = {tuple(line.split(" ", 1)) for line in log.read_text().splitlines()}
    assert ("open", "/etc/passwd") in seen
    assert seen <= {("open", "/etc/passwd"), ("open", "/etc/group"), ("open", "/dev/pts/ptmx")}


STARTER = """
import os, sys
sys.path.append(sys.argv[1])
from _engine.container import create, normalise, start
from _engine.kernel import files, mounts
from _engine.paths import Paths
from _engine.runtime import groups

log, inside, join, pivot, openat2 = [], [], groups.join, mounts.pivot_root, files.openat2

def open_log(*arguments):
    # Where the first process still has the host's files, and a supervisor has closed what it was given.
    log[:] = [os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)]
    join(*arguments)

def pivot_root(new, old):
    pivot(new, old)
    inside.append(True)

def hook(event, arguments):
    if inside and event in ("import", "open"):
        os.write(log[0], f"{event} {arguments[0]}\\n".encode())

def opened(directory, path, *words, **more):
    hook("open", (path,))
    return openat2(directory, path, *words, **more)

groups.join, mounts.pivot_root, files.openat2 = open_log, pivot_root, opened
sys.addaudithook(hook)
paths = Paths(sys.argv[3])
wanted = {"name": sys.argv[4], "image": "base", "network_mode": "none", "user": "nobody", "tty": True, "command": ["true"]}
start.start(paths, create.create(paths, normalise.normalise({**wanted, "working_dir": "/made/for/it", **eval(sys.argv[5])})))
"""


@pytest.mark.parametrize("options", [{}, {"userns_mode": "host"}, {"user": "nonsense"}])
def test_a_first_process_imports_nothing_once_it_is_in_its_root(
    house: House, tmp_path: pathlib.Path, options: dict[str, str]
) -> None:
    name = house.name()
    house.made.append(name)
    engine = os.path.dirname(next(iter(_engine.__path__)))
    log = tmp_path / "log"
    words = [sys.executable, "-I", "-S", "-c", STARTER, engine, str(log), house.paths.root, name, repr(options)]
    done = subprocess.run(words, check=False, timeout=60, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert ("nonsense" in done.stderr) if "user" in options else not done.returncode, done.stderr
    seen = {tuple(line.split(" ", 1)) for line in log.read_text().splitlines()}
    assert ("open", "/etc/passwd") in seen
    # Its users, its terminal, the working directory that is made, and the command, which is looked at.
    made = ("/made", "/made/for", "/made/for/it")
    places = ("/", ".", *made, "/etc/passwd", "/etc/group", "/dev/pts/ptmx", "/dev/console", "/bin/true")
    assert seen <= {("open", path) for path in places}


HOSTILE = {"cap_add": ["SYS_ADMIN"], "security_opts": ["seccomp=unconfined"]}


def test_a_terminal_is_a_devptss_own_or_none(house: House) -> None:
    """What a container put at /dev/pts is not taken for a terminal, and its links are not followed."""
    for trap in (
        "touch /dev/pts/ptmx",
        "mkfifo /dev/pts/ptmx",
        "ln -s /dev/null /dev/pts/ptmx",
        "ln -s /proc/1/fd/0 /dev/pts/ptmx",
    ):
        name = house.up(**HOSTILE)["name"]
        assert house.exec(name, f"mount -t tmpfs x /dev/pts && {trap}").code == 0
        with pytest.raises(EngineError, match=r"no devpts|Too many levels|No such device"):
            house.exec(name, "true", tty=True)
        assert house.exec(name, "true").code == 0


def test_a_label_goes_to_the_hosts_procfs(house: House, tmp_path: pathlib.Path) -> None:
    """A container that has something else at /proc can't take the label for itself and leave the process without."""
    made = house.up(**HOSTILE)
    trap = (
        "mount -t tmpfs x /proc && mkdir -p /proc/self/attr/apparmor && cd /proc/self/attr && touch exec apparmor/exec"
    )
    assert house.exec(made["name"], trap).code == 0

    def work() -> None:
        process = {**PROCESS, "args": ["true"], "apparmorProfile": "nonsense"}
        pid, start = made["state"]["pid"], made["userns_start"]
        plan = joining.Plan(pid=pid, process=process, user="0", cgroups=(), unified="", id_start=start)
        with joining.open_session(plan) as session:
            session.communicate(b"")

    with pytest.raises((Unsupported, EngineError), match=r"AppArmor|not loaded"):
        in_child(work)
    assert house.exec(made["name"], "cat /proc/self/attr/exec /proc/self/attr/apparmor/exec").out == ""


@pytest.mark.parametrize("user", [False, True], ids=["host", "userns"])
def test_every_namespace_is_joined(cell: Cell, user: bool, tmp_path: pathlib.Path) -> None:
    """The time namespace among them, which belongs to the host's root even when there is a user namespace."""
    kinds = (*KINDS, "time")
    answer = tmp_path / "answer"

    def join(pid: int) -> None:
        process = {
            **PROCESS,
            "args": ["sh", "-c", "for n in /proc/self/ns/*; do readlink $n; done; cut -d. -f1 /proc/uptime"],
        }
        plan = joining.Plan(
            pid=pid, process=process, user="0", cgroups=(), unified="", id_start=700_000_000 if user else None
        )
        with joining.open_session(plan) as session:
            code, out, err = session.communicate(b"")
        answer.write_text(json.dumps([code, out.decode(), err.decode()]))

    done = cell.run(
        "for n in /proc/self/ns/*; do readlink $n; done",
        user=user,
        kinds=kinds,
        linux={"timeOffsets": {"boottime": {"secs": 1_000_000}}},
        outside=join,
    )
    code, out, err = json.loads(answer.read_text())
    assert (code, err) == (0, "")
    *joined, uptime = out.split()
    assert joined == done.out.split()
    assert len(set(joined) - {os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")}) >= 7 + user
    assert int(uptime) > 1_000_000


@pytest.mark.parametrize("options", [{}, {"cap_add": ["SYS_PTRACE", "DAC_OVERRIDE"]}, {"privileged": True}])
def test_the_hosts_interpreter_is_no_containers(house: House, tmp_path: pathlib.Path, options: dict[str, Any]) -> None:
    """CVE-2019-5736: a script whose interpreter is /proc/self/exe, in a root that has all that a Python needs.

    Where the container's root is the host's own, it would get a writable way to what every engine on the host is run by.
    """
    libraries = subprocess.run(["ldd", sys.executable], capture_output=True, text=True, check=True).stdout
    binds = [word for word in libraries.split() if word.startswith("/")]
    script = tmp_path / "evil"
    script.write_text("#!/proc/self/exe -IS\nprint('PYTHON RAN')\n")
    script.chmod(0o755)
    volumes = [f"{os.path.realpath(path)}:{path}:ro" for path in binds] + [
        f"{script}:/evil",
        f"{sys.base_prefix}/lib:{sys.base_prefix}/lib:ro",
    ]
    asked = {"userns_mode": "host", "volumes": volumes, **options}
    assert "PYTHON RAN" not in house.run(["/evil"], **asked).out
    made = house.up(**asked)
    assert "PYTHON RAN" not in house.exec(made["name"], ["/evil"]).out
    assert house.exec(made["name"], ["/proc/self/exe", "-c", "print('PYTHON RAN')"]).out == ""
    # What is no program says so before there is nobody to say it to.
    with pytest.raises(EngineError, match="Exec format error"):
        house.exec(made["name"], "printf x >/odd; chmod +x /odd") and house.exec(made["name"], ["/odd"])


def test_processors_of_who_joins(cell: Cell, tmp_path: pathlib.Path) -> None:
    """execCPUAffinity: where it runs before it is in the container's group, and from then on."""
    last = max(os.sched_getaffinity(0))
    answer = tmp_path / "answer"

    def join(pid: int) -> None:
        affinity = {"initial": str(min(os.sched_getaffinity(0))), "final": str(last)}
        process = {**PROCESS, "args": ["grep", "Cpus_allowed_list", "/proc/self/status"], "execCPUAffinity": affinity}
        plan = joining.Plan(pid=pid, process=process, user="0", cgroups=(), unified="", id_start=None)
        with joining.open_session(plan) as session:
            answer.write_bytes(session.communicate(b"")[1])

    cell.run("true", outside=join)
    assert answer.read_text().split() == ["Cpus_allowed_list:", str(last)]


def test_namespaces_of_containers_with_other_user_namespaces(house: House) -> None:
    """Whoever shares another's network has no rights over it, and is joined all the same."""
    kinds, show = ("user", "ipc", "pid", "net"), "for n in user ipc pid net; do readlink /proc/self/ns/$n; done"
    one = house.up(ipc_mode="shareable")["name"]
    other = house.up(network_mode=f"container:{one}")["name"]
    same = house.up(userns_mode=f"container:{one}", ipc_mode=f"container:{one}", network_mode=f"container:{one}")[
        "name"
    ]
    seen = {name: dict(zip(kinds, house.exec(name, show).out.split(), strict=True)) for name in (one, other, same)}
    assert [kind for kind in kinds if seen[one][kind] == seen[other][kind]] == ["net"]
    assert [kind for kind in kinds if seen[one][kind] == seen[same][kind]] == ["user", "ipc", "net"]
    assert house.exec(same, "id -u; touch /x && stat -c %u /x").out.split() == ["0", "0"]
