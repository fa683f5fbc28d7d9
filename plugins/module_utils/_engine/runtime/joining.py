# SPDX-License-Identifier: GPL-3.0-or-later
"""Joining a running container, of which nothing is trusted: its namespaces in a fixed order, then the same last steps as at its start."""

from __future__ import annotations

import os
import select

from ..kernel import process, signals, sockets
from ..kernel.sockets import Socket
from ..values import Value
from . import groups, labels, limits, link, own, pty, users
from .become import become, own_pipes
from .bundle import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

# Any may be another container's or, but for the user namespace, one that the host's root made: over those only that one has
# rights, so they come before the user namespace. The process namespace counts for children only. The mount namespace is last:
# from there on nothing of the host's can be opened any more, and nothing that can be opened is trusted.
_ORDER = (("net", process.NEWNET), ("ipc", process.NEWIPC), ("uts", process.NEWUTS), ("time", process.NEWTIME),
          ("cgroup", process.NEWCGROUP), ("pid", process.NEWPID), ("user", process.NEWUSER), ("mnt", process.NEWNS))  # fmt: skip
_CHUNK = 1 << 16


class Plan(Value):
    """`pid` is the container's first process; `process` as in config.json; `id_start` is the first host id of its user namespace."""

    pid: int
    process: dict[str, Any]
    user: str
    cgroups: tuple[str, ...]
    unified: str
    id_start: int | None
    terminal: bool = False
    size: tuple[int, int] | None = None
    groups: tuple[str, ...] = ()
    personality: dict[str, Any] | None = None
    program: Program | None = None


class Session:
    """A process in the container and its streams. With a terminal `master` is both directions, else three pipes; -1 when closed.

    Use it as a context: leaving it closes the streams and kills what still runs.
    """

    __slots__ = ("_pid", "code", "master", "stderr", "stdin", "stdout")

    def __init__(self, pid: int, streams: tuple[int, int, int], master: int) -> None:
        self._pid, self.code, self.master = pid, -1, master
        self.stdin, self.stdout, self.stderr = streams

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in {self.stdin, self.stdout, self.stderr, self.master} - {-1}:
            os.close(fd)
        self.stdin = self.stdout = self.stderr = self.master = -1
        if self.code < 0:
            os.kill(self._pid, signals.SIGUSR1)
            self.wait()

    def wait(self) -> int:
        """The exit status as a shell shows it; blocks until the process has ended."""
        if self.code < 0:
            code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
            self.code = 128 - code if code < 0 else code
        return self.code

    def close_stdin(self) -> None:
        """End of file for the process."""
        if self.stdin >= 0:
            os.close(self.stdin)
            self.stdin = -1

    def communicate(self, data: bytes) -> tuple[int, bytes, bytes]:
        """Feed `data`, gather both outputs, wait: the exit status, standard output, standard error."""
        if self.master >= 0:
            self.stdin, self.stdout = os.dup(self.master), os.dup(self.master)
        sources = {fd: bytearray() for fd in (self.stdout, self.stderr) if fd >= 0}
        outputs = dict(zip(("out", "err"), sources.values()))
        left = memoryview(data)
        if not left and self.master < 0:
            self.close_stdin()
        if self.stdin >= 0:
            os.set_blocking(self.stdin, False)
        while sources:
            ready, writable, _unused = select.select(
                tuple(sources), (self.stdin,) if left and self.stdin >= 0 else (), ()
            )
            if writable:
                left = self._feed(left)
            for fd in ready:
                if not _gather(fd, sources[fd]):
                    del sources[fd]
        return self.wait(), bytes(outputs.get("out", b"")), bytes(outputs.get("err", b""))

    def _feed(self, left: memoryview) -> memoryview:
        try:
            left = left[os.write(self.stdin, left[:_CHUNK]) :]
        except BrokenPipeError:
            left = left[:0]
        if not left and self.master < 0:
            self.close_stdin()
        return left


def _gather(fd: int, into: bytearray) -> bool:
    try:
        data = os.read(fd, _CHUNK)
    except OSError:
        return False  # EIO: nobody has the terminal open any more
    into += data
    return bool(data)


def open_session(plan: Plan) -> Session:
    """Start the process. Errors are EngineErrors, CommandNotFound among them; nothing is left running then."""
    ours, theirs = link.pair()
    inner, outer = _pipes(plan.terminal)
    pid = groups.fork(plan.unified)
    if pid == 0:
        ours.close()
        for fd in outer:
            if fd >= 0:
                os.close(fd)
        _join(plan, theirs, inner)
    theirs.close()
    for fd in set(inner) - {-1}:
        os.close(fd)
    try:
        master = link.receive(ours, "terminal")[1][0] if plan.terminal else -1
        if ours.recv(1, sockets.MSG_PEEK):
            link.receive(ours, "nothing")
    except BaseException:
        for fd in set(outer) - {-1}:
            os.close(fd)
        os.waitpid(pid, 0)
        raise
    finally:
        ours.close()
    return Session(pid, outer, master)


def _pipes(terminal: bool) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    if terminal:
        return (-1, -1, -1), (-1, -1, -1)
    (in_read, in_write), (out_read, out_write), (err_read, err_write) = (os.pipe2(os.O_CLOEXEC) for _unused in range(3))
    return (in_read, out_write, err_write), (in_write, out_read, err_read)


def _join(plan: Plan, door: Socket, stdio: tuple[int, int, int]) -> NoReturn:
    """The process that changes namespaces; its child is the one inside, and its own exit status becomes the child's."""
    try:
        process.set_dumpable(False)
        spaces = _open_spaces(plan.pid)
        _take_limits(plan)
        os.chdir("/")
        if not plan.terminal:
            own_pipes(stdio, plan.id_start)
        # The host's, by which this process is known for certain: the container's may be anything.
        proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) if labels.wanted(plan.process) else -1
        _enter(spaces)
        signals.pthread_sigmask(signals.SIG_SETMASK, (signals.SIGUSR1,))
        child = os.fork()
    except BaseException as error:
        link.send_error(door, error)
        os._exit(1)
    if child == 0:
        _inside(plan, door, stdio, proc)
    door.close()
    for fd in set(stdio) - {-1}:
        os.close(fd)
    _follow(child)


def _open_spaces(pid: int) -> list[tuple[int, int]]:
    """Descriptors of the namespaces that differ from ours: joining one's own user namespace is an error (setns(2))."""
    found = []
    for name, kind in _ORDER:
        try:
            fd = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            if name == "time":
                continue  # before Linux 5.6
            raise
        if os.fstat(fd).st_ino == os.stat(f"/proc/self/ns/{name}").st_ino:
            os.close(fd)
        else:
            found.append((fd, kind))
    return found


def _take_limits(plan: Plan) -> None:
    """Everything that only the host's root may give."""
    limits.forget_scheduling()
    limits.forget_callers(plan.process.get("rlimits") or ())
    limits.run_on(plan.process, "initial")
    groups.join(plan.cgroups, plan.unified)
    limits.run_on(plan.process, "final")
    limits.give(0, plan.process, strict=False)


def _enter(spaces: list[tuple[int, int]]) -> None:
    mapped = False
    for fd, kind in spaces:
        if kind == process.NEWNS and mapped:
            own.become_root()
        process.setns(fd, kind)
        os.close(fd)
        mapped = mapped or kind == process.NEWUSER


def _inside(plan: Plan, door: Socket, stdio: tuple[int, int, int], proc: int) -> NoReturn:
    try:
        process.set_dumpable(False)
        if plan.terminal:
            _take_terminal(plan, door)
        else:
            os.setsid()
            for number, fd in enumerate(stdio):
                os.dup2(fd, number)
        become(
            plan.process,
            user=plan.user,
            groups=plan.groups,
            personality=plan.personality,
            program=plan.program,
            clamp=True,
            shield=plan.id_start is None,
            proc=proc,
        )
    except BaseException as error:
        link.send_error(door, error)
        os._exit(1)


def _take_terminal(plan: Plan, door: Socket) -> None:
    master, slave, _path = pty.open_pair()
    os.fchown(slave, users.look_up(plan.user).uid, 5)
    if plan.size and all(plan.size):
        pty.resize(master, *plan.size)
    link.send(door, "terminal", fds=(master,))
    os.close(master)
    pty.take(slave)


def _follow(child: int) -> NoReturn:
    """End as the child ends: with its status, or by its signal as a shell would count it. SIGUSR1 kills it."""
    for number in (signals.SIGINT, signals.SIGQUIT, signals.SIGHUP, signals.SIGTERM):
        signals.signal(number, signals.SIG_IGN)
    signals.signal(signals.SIGUSR1, lambda _number, _frame: _kill(child))
    signals.pthread_sigmask(signals.SIG_SETMASK, ())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(128 - code if code < 0 else code)


def _kill(child: int) -> None:
    try:
        os.kill(child, signals.SIGKILL)
    except ProcessLookupError:
        return
