# SPDX-License-Identifier: GPL-3.0-or-later
"""One more process in a container that runs, from a process.json or from a command line."""

from __future__ import annotations

import os

from ..errors import Conflict, EngineError, InvalidSpec
from ..kernel import capabilities, scheduling, signals, sockets
from ..kernel import process as processes
from ..runtime import foreign, link
from ..values import Value
from . import config as configs
from . import console, filters, shape, subgroups
from .create import write_pid
from .looking import word_of
from .store import Home, Known, state_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..kernel.sockets import Socket
    from ..runtime.nursery import Nursling
    from .config import Config

# The name in /proc/PID/ns of each kind; the pid namespace counts for children, and the process is one.
_FILES = (
    ("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("cgroup", "cgroup"), ("time", "time"), ("pid", "pid"), ("user", "user"),
    ("mount", "mnt"),
)  # fmt: skip
_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")


_GIVEN = ("bounding", "effective", "permitted")
# Only what is inheritable can be ambient (capabilities(7)); a container without the former never has the latter.
_GIVEN_WHERE_INHERITED = (*_GIVEN, "ambient")


class Wish(Value):
    """What a command line says of a process: `process` is the path of a process.json, or else the rest counts.

    `user` is UID[:GID]; `tty`, `no_new_privs` are None where nothing was said. `subgroups` are as subgroups.choose takes them.
    """

    root: str
    ident: str
    args: tuple[str, ...] = ()
    process: str = ""
    cwd: str = ""
    env: tuple[str, ...] = ()
    user: str = ""
    groups: tuple[int, ...] = ()
    capabilities: tuple[str, ...] = ()
    tty: bool = False
    no_new_privs: bool | None = None
    apparmor: str = ""
    selinux: str = ""
    detach: bool = False
    pid_file: str = ""
    console_socket: str = ""
    pidfd_socket: str = ""
    subgroups: tuple[str, ...] = ()
    preserve: int = 0
    ignore_paused: bool = False
    keyring: bool = True


def start(wish: Wish, midwife: Nursling) -> tuple[int, int]:
    """The process's pid, a child of ours, and its terminal or -1, which the caller closes. It runs its program by then."""
    home = Home(wish.root, wish.ident)
    known = home.read()
    word = word_of(home, known)
    if word not in ("created", "running", "paused"):
        raise Conflict(f"container not running: {wish.ident} is {word}")
    if word == "paused" and not wish.ignore_paused:
        raise Conflict(f"cannot exec in a paused container: resume {wish.ident}, or give --ignore-paused")
    config = configs.reread(home.config(), known.bundle, known.rootfs)
    wanted = _wanted(wish, config)
    console.check(wanted, wish.console_socket, detached=wish.detach)
    pid = _bear(midwife, wish, known, config, wanted)
    try:
        master = _follow(midwife.link, config, state_of(wish.ident, known, word))
        if wish.pid_file:
            write_pid(wish.pid_file, pid)
        if wanted.get("scheduler"):
            scheduling.set_scheduler(pid, wanted["scheduler"])
        if wish.pidfd_socket:
            console.send_pidfd(wish.pidfd_socket, pid)
        if master >= 0 and not wish.console_socket:
            console.plain(master)
        link.send(midwife.link, "go")
        while midwife.link.recv(1, sockets.MSG_PEEK):
            _said, fds = link.receive(midwife.link, "listener")
            filters.pass_on(config, fds[0], state_of(wish.ident, known, word))
    except BaseException:
        _end(pid)
        raise
    if wish.console_socket and master >= 0:
        console.send(wish.console_socket, master)
        master = -1
    return pid, master


def _bear(midwife: Nursling, wish: Wish, known: Known, config: Config, wanted: dict[str, Any]) -> int:
    program = filters.compiled(config.linux.get("seccomp"))
    directories, unified = subgroups.choose(wish.subgroups, known.cgroups, known.unified, known.place, known.pid)
    joined = _open_spaces(known)
    order = foreign.Order(
        verb="exec",
        ident=wish.ident,
        bundle=known.bundle,
        rootfs=known.rootfs,
        oci={"linux": {name: config.linux.get(name) for name in ("personality", "memoryPolicy")}},
        process=wanted,
        joined=tuple(joined),
        cgroups=directories,
        unified=unified,
        seccomp=program.code if program else b"",
        seccomp_flags=program.flags if program else 0,
        preserve=wish.preserve,
        keyring=wish.keyring,
    )
    try:
        foreign.send_order(midwife.link, order, tuple(joined.values()))
        born, _unused = link.receive(midwife.link, "born")
    finally:
        for fd in joined.values():
            os.close(fd)
        os.waitpid(midwife.pid, 0)
    return int(born["pid"])


def _follow(end: Socket, config: Config, state: dict[str, Any]) -> int:
    master = -1
    while True:
        said, fds = link.receive(end, "ready", "terminal", "listener")
        if said["word"] == "ready":
            return master
        if said["word"] == "terminal":
            master = fds[0]
        else:
            filters.pass_on(config, fds[0], state)


def _end(pid: int) -> None:
    try:
        os.kill(pid, signals.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def _open_spaces(known: Known) -> dict[str, int]:
    """The namespaces of the container's process that are not ours, by descriptor: it may end, and its pid be another's, meanwhile."""
    found: dict[str, int] = {}
    pidfd = processes.open_pidfd(known.pid)
    try:
        for kind, file in _FILES:
            try:
                fd = os.open(f"/proc/{known.pid}/ns/{file}", os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # a kernel without this kind, or nobody there, which is seen below
            if os.fstat(fd).st_ino == os.stat(f"/proc/self/ns/{file}").st_ino:
                os.close(fd)
            else:
                found[kind] = fd
        if not processes.send_signal(pidfd, 0):
            raise Conflict("container not running: its process has just ended")
    except BaseException:
        for fd in found.values():
            os.close(fd)
        raise
    finally:
        os.close(pidfd)
    return found


def _wanted(wish: Wish, config: Config) -> dict[str, Any]:
    """The process object: the caller's own, or the container's with what the command line says of it."""
    if wish.process:
        wanted = configs.decode(configs.read(wish.process), wish.process)
        shape.check(wanted, shape.PROCESS, "process")
    else:
        wanted = _by_words(wish, config.process or {"cwd": "/"})
    configs.check_process(wanted)
    found: dict[str, Any] = wanted
    return found


def _by_words(wish: Wish, base: dict[str, Any]) -> dict[str, Any]:
    if not wish.args:
        raise InvalidSpec("there is nothing to execute: give a command, or --process")
    wanted = {**base, "args": list(wish.args), "terminal": wish.tty, "env": [*(base.get("env") or ()), *wish.env]}
    wanted.pop("consoleSize", None)
    if wish.cwd:
        wanted["cwd"] = wish.cwd
    if wish.user:
        wanted["user"] = {**(base.get("user") or {}), **_user(wish.user)}
    if wish.groups:
        wanted["user"] = {**(wanted.get("user") or {}), "additionalGids": list(wish.groups)}
    for name in wish.capabilities:
        if not capabilities.mask((name,)):
            raise InvalidSpec(f"--cap: {name!a} is no capability: write one such as CAP_NET_RAW")
    if wish.capabilities:
        held = base.get("capabilities") or {}
        given = _GIVEN_WHERE_INHERITED if held.get("inheritable") else _GIVEN
        wanted["capabilities"] = {
            kind: [*(held.get(kind) or ()), *(wish.capabilities if kind in given else ())] for kind in _SETS
        }
    if wish.no_new_privs is not None:
        wanted["noNewPrivileges"] = wish.no_new_privs
    labels = {"apparmorProfile": wish.apparmor, "selinuxLabel": wish.selinux}
    return {**wanted, **{name: value for name, value in labels.items() if value}}


def _user(text: str) -> dict[str, int]:
    words = text.split(":")
    if len(words) > 2 or not all(word.isascii() and word.isdigit() and int(word) < (1 << 32) - 1 for word in words):
        raise InvalidSpec(f"--user: {text!a} is not UID[:GID]")
    return dict(zip(("uid", "gid"), map(int, words)))


def wait(pid: int) -> int:
    """The exit status as a shell shows it."""
    try:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError as error:
        raise EngineError(f"process {pid} is no child of this one") from error
    return 128 - code if code < 0 else code
