# SPDX-License-Identifier: GPL-3.0-or-later
"""One process per container: parent of its first process, keeper of its output and its end. Needs nobody once it has started."""

from __future__ import annotations

import gc
import os
import struct
import time

from ..errors import EngineError
from ..kernel import libc, mounts, process, signals, sockets
from ..kernel.sockets import Socket
from ..values import Value
from . import devices, groups, ids, init, limits, link, mountoptions, parts, pty, state, wire
from .become import own_pipes
from .bundle import Bundle, load
from .logfile import LogFile
from .loop import Loop
from .relay import Relay
from .spaces import birth, open_spaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .mountoptions import Mount
    from .names import Responder

# The second is what a scope of ours sends (see cgroup/systemd.py).
_PARTING = (signals.SIGTERM, signals.SIGURG)


class Hooks(Value):
    """What the supervisor does for the rooms above it when the container has ended, or could not start.

    `warm` imports what the others need; it is called when there is time for that. `parting` tells the signal that asks it
    to end and the seconds that it has then. `release` gives back network and cgroup and tells whether the kernel killed a
    process for lack of memory; `finish` comes after the end was recorded, `settle` when everybody knows it. All are
    idempotent.
    """

    warm: Callable[[], object]
    parting: Callable[[], tuple[int, float]]
    release: Callable[[], bool]
    finish: Callable[[], None]
    settle: Callable[[], None]


class Supervisor:
    """Starts the container of `bundle` and stays until it has ended; `hooks` give back what other rooms gave it."""

    __slots__ = (
        "_bundle",
        "_hooks",
        "_init",
        "_kinds",
        "_listener",
        "_log",
        "_loop",
        "_new_user",
        "_pidfd",
        "_responder",
        "_started_at",
        "_stdin",
        "_outputs",
        "_terminal",
        "pid",
    )

    def __init__(self, bundle: Bundle, hooks: Hooks) -> None:
        self._bundle, self._hooks, self._loop = bundle, hooks, Loop()
        self.pid = self._pidfd = self._stdin = self._terminal = -1
        self._outputs: dict[int, str] = {}
        self._responder: Responder | None = None
        self._log: LogFile | None = None
        self._started_at = 0.0
        self._kinds: frozenset[str] = frozenset()
        self._new_user = False

    def start(self, starter: Socket) -> None:
        """Everything up to the user's command. Errors fly after the half-made container is gone."""
        try:
            self._start(starter)
        except BaseException:
            try:
                self._undo()
            except (EngineError, OSError):
                pass  # why it failed matters more; the next command of this container finishes the rest
            raise

    def _start(self, starter: Socket) -> None:
        bundle = self._bundle
        limits.forget_scheduling()
        limits.forget_callers(bundle.oci["process"].get("rlimits") or ())
        listed = mountoptions.read(bundle.oci["mounts"])
        shared = parts.open_shared(listed)
        process.unshare(process.NEWNS)
        mounts.set_propagation("/", mounts.MS_SLAVE | mounts.MS_REC)
        self._clone(listed)
        link.send(starter, "created", {"pid": self.pid})
        self._give_parts(listed, shared)
        # The first process works now.
        self._hooks.warm()
        if bundle.names_dir:
            from . import names  # noqa: F401
        made, terminal = link.receive(self._init, "ready")
        if terminal:
            self._take_terminal(terminal[0])
        _remember_made(bundle.home, made["made"])
        if bundle.log:
            self._log = LogFile(bundle.log, bundle.log_size, bundle.log_files)
        self._listener = _listen(bundle.run)
        link.receive(starter, "go")
        self._serve_names()
        link.send(self._init, "go")
        self._wait_for_command()
        self._started_at = time.time()
        state.write_running(bundle.run, self.pid, self._started_at)

    def _clone(self, listed: tuple[Mount, ...]) -> None:
        bundle = self._bundle
        linux = bundle.oci["linux"]
        self._init, child_end = link.pair()
        stdio = self._make_pipes()
        other = {"network": f"/proc/{bundle.network_of}/ns/net"} if bundle.network_of else {}
        spaces = open_spaces(linux, other)
        self._kinds, self._new_user = spaces.kinds, spaces.has_own("user")
        try:
            self.pid = birth(spaces, bundle.unified)
            if self.pid == 0:
                self._init.close()
                init.main(bundle, spaces, listed, child_end, stdio)
        finally:
            child_end.close()
            for fd in set(stdio):
                os.close(fd)
            spaces.close()
        self._pidfd = process.open_pidfd(self.pid)
        limits.give(self.pid, bundle.oci["process"], strict=False)

    def _make_pipes(self) -> tuple[int, int, int]:
        """Our ends are kept in the object, the container's are returned."""
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        if self._bundle.terminal:
            return null, null, null
        source = null
        if self._bundle.interactive:
            source, self._stdin = os.pipe2(os.O_CLOEXEC)
            os.close(null)
        ends = []
        for stream in ("stdout", "stderr"):
            ours, theirs = os.pipe2(os.O_CLOEXEC)
            self._outputs[ours] = stream
            ends.append(theirs)
        own_pipes((source, *ends), self._bundle.id_start)
        return source, ends[0], ends[1]

    def _give_parts(self, listed: tuple[Mount, ...], shared: dict[int, int]) -> None:
        """Map the ids, then send the first process what only the host's root can open."""
        bundle, linux = self._bundle, self._bundle.oci["linux"]
        map_of_ids, userns = self._map_ids()
        root = parts.open_overlay(bundle.layers, bundle.home, bundle.run, userns, map_of_ids.uid(0))
        nodes = devices.read(linux.get("devices") or ())
        given, loose = parts.open_all(
            listed, nodes, map_of_ids, userns, scratch=bundle.run, map_binds=bundle.map_volumes, shared=shared
        )
        parts.send(self._init, root, given, loose)
        if userns >= 0:
            os.close(userns)

    def _map_ids(self) -> tuple[ids.IdMap, int]:
        """The map of the container's user namespace and a descriptor of it; an empty one and -1 without."""
        linux, kinds = self._bundle.oci["linux"], self._kinds
        if "user" not in kinds:
            return ids.IdMap(), -1
        if self._new_user:
            found = ids.read(linux.get("uidMappings") or (), linux.get("gidMappings") or ())
            ids.check_complete(found)
            found.write(self.pid)
        else:
            found = ids.of_process(self.pid)
        return found, os.open(f"/proc/{self.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)

    def _take_terminal(self, master: int) -> None:
        self._outputs, self._terminal, self._stdin = {master: "stdout"}, master, os.dup(master)
        size = self._bundle.oci["process"].get("consoleSize")
        if size:
            pty.resize(master, size["height"], size["width"])

    def _serve_names(self) -> None:
        bundle = self._bundle
        if not bundle.names_dir:
            return
        from . import names

        namespace = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._responder = responder = names.open_responder(namespace, bundle.names_dir, bundle.name_servers)
        os.close(namespace)
        for fd in responder.fds():
            self._loop.watch(fd, lambda _events, fd=fd: responder.handle(fd))  # type: ignore[misc]
        self._loop.keep_time(responder.timeout, responder.handle)

    def _wait_for_command(self) -> None:
        """The link closes at execve(2); anything that comes before is why there was none."""
        self._init.settimeout(60)
        if self._init.recv(1, sockets.MSG_PEEK):
            link.receive(self._init, "nothing")
        self._init.close()

    def _part(self) -> None:
        """Somebody else wants it to end, a host that goes down or systemctl: let it, as `berth stop` would, and see to it."""
        for number in _PARTING:
            signals.signal(number, signals.SIG_IGN)
        signals.signal(signals.SIGALRM, lambda _number, _frame: process.send_signal(self._pidfd, signals.SIGKILL))
        number, seconds = self._hooks.parting()
        process.send_signal(self._pidfd, number)
        # Zero would never ring.
        signals.setitimer(signals.ITIMER_REAL, max(seconds, 0.001))

    def _undo(self) -> None:
        if self._pidfd >= 0:
            process.send_signal(self._pidfd, signals.SIGKILL)
            os.waitpid(self.pid, 0)
        if self._responder:
            self._responder.close()
        self._hooks.release()
        self._hooks.settle()
        state.forget(self._bundle.run)

    def run(self, client: Socket | None) -> None:
        """Serve until the container ends, then record how, release everything and tell those who are attached."""
        loop = self._loop
        relay = Relay(loop, self._log, self._outputs, self._stdin, self._terminal)
        if client:
            relay.attach(client)
        listener = self._listener
        loop.watch(listener.fileno(), lambda _events: _accept(listener, relay))
        loop.watch(self._pidfd, lambda _events: loop.stop())
        for number in _PARTING:
            signals.signal(number, lambda _number, _frame: self._part())
        libc.trim()
        loop.run()
        loop.forget(self._pidfd)
        loop.forget(listener.fileno())
        listener.close()
        _pid, status = os.waitpid(self.pid, 0)
        relay.drain()
        if self._responder:
            self._responder.close()
        code = os.waitstatus_to_exitcode(status)
        code = 128 - code if code < 0 else code
        if self._end(code):
            self._hooks.finish()
        relay.say_last(wire.pack(wire.EXIT, str(code).encode()))
        self._hooks.settle()

    def _end(self, code: int) -> bool:
        """Give everything back and write down how it ended; whether both were done. One is tried whatever became of the other:
        what could not be done is left to the next command, which knows of it by the run-time directory."""
        fields = {
            "exit_code": code,
            "started_at": self._started_at,
            "finished_at": time.time(),
            "oom_killed": False,
            "error": "",
        }
        released = True
        try:
            fields["oom_killed"] = self._hooks.release()
        except (EngineError, OSError):
            released = False
        try:
            state.write_exited(self._bundle.home, fields)
        except (EngineError, OSError):
            return False
        if released:
            state.forget(self._bundle.run)
        return released


def _remember_made(home: str, made: list[str]) -> None:
    """Mount points that the engine had to make are no change of the user's: a commit leaves them out."""
    if made:
        with open(f"{home}/made", "a", encoding="utf-8", errors="surrogateescape") as file:
            file.write("".join(f"{path}\0" for path in made))


def _listen(run: str) -> Socket:
    """control.sock, reachable through its directory's descriptor: its path may be longer than a socket address."""
    directory = os.open(run, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    listener = Socket(sockets.AF_UNIX, sockets.SOCK_STREAM | sockets.SOCK_CLOEXEC | sockets.SOCK_NONBLOCK)
    os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{directory}/control.sock")
    finally:
        os.umask(0)
        os.close(directory)
    listener.listen(16)
    return listener


def _accept(listener: Socket, relay: Relay) -> None:
    try:
        end = listener.accept()
    except BlockingIOError:
        return
    _pid, uid, _gid = struct.unpack("3i", end.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, 12))
    if uid != 0:
        end.close()
        return
    relay.attach(end)


def main(starter: Socket, make_hooks: Callable[[str, str], Hooks], own_groups: tuple[str, ...], unified: str) -> int:
    """The life of a supervisor, in a process that was forked for it (see nursery); returns its exit status.

    `make_hooks(root, ident)` is called once the container is known. It moves into the cgroups `own_groups`, one of which
    is `unified`, where it was born; without any its life goes on in a child born in the one that comes with the container.
    """
    order = None
    if not own_groups:
        order = _await_order(starter)
        if not order or groups.fork(order[0]["shelter"]):
            return 0
    gc.enable()
    _detach({starter.fileno(), *(order[1] if order else ())})
    groups.join(own_groups, unified)
    order = order or _await_order(starter)
    if not order:
        return 0
    fields, fds = order
    bundle = load(fields["directory"], fields["run"])
    client = Socket(fileno=fds[1]) if len(fds) > 1 else None
    supervisor = Supervisor(bundle, make_hooks(bundle.root, bundle.ident))
    try:
        supervisor.start(starter)
    except (EngineError, OSError) as error:
        link.send_error(starter, error)
        return 1
    try:
        link.send(starter, "started", {"pid": supervisor.pid})
    except (OSError, EngineError):
        pass  # whoever started it is gone, and the container runs
    starter.close()
    supervisor.run(client)
    return 0


def _await_order(starter: Socket) -> tuple[dict[str, Any], tuple[int, ...]] | None:
    """Which container it is, with its descriptors; None when nobody needs us."""
    try:
        return link.receive(starter, "bundle")
    except EngineError:
        return None


def _detach(kept: set[int]) -> None:
    """Leave the caller's session, directory, descriptors and signals behind: it may end, or wait for its pipes to close."""
    os.setsid()
    os.chdir("/")
    os.umask(0)
    for ignored in (signals.SIGHUP, signals.SIGINT, signals.SIGTERM, signals.SIGQUIT, signals.SIGPIPE):
        signals.signal(ignored, signals.SIG_IGN)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for number in range(3):
        os.dup2(null, number)
    first = 3
    for fd in sorted(kept):
        os.closerange(first, fd)
        first = fd + 1
    process.close_from(first)
