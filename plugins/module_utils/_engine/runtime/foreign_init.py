# SPDX-License-Identifier: GPL-3.0-or-later
"""The first process of a foreign bundle: builds its root, waits to be started, and becomes what config.json's process says."""

from __future__ import annotations

import os

from ..errors import EngineError
from ..kernel import mounts, process, signals
from ..kernel.sockets import Socket
from ..version import OCI
from . import foreign_hooks, groups, link, memory, mounting, mountoptions, own, parts, pty, unpivoted
from .become import become
from .root import Root, enter
from .spaces import Spaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .foreign import Order

# Any directory of the host does, as it is covered in this mount namespace only.
_SOMEWHERE = "/proc"


def main(order: Order, runtime: Socket, spaces: dict[str, int], listener: int) -> NoReturn:
    """Runs in the new namespaces, right after clone; leaves by execve(2), or with status 1 once somebody knows why."""
    door = Door(runtime, listener)
    try:
        _run(order, door, Spaces(frozenset(order.new), spaces, order.offsets))
    except BaseException as error:
        link.send_error(door.end, error)
        os._exit(1)


class Door:
    """`end` is where whoever waits for this process listens: `create` first, `start` later."""

    __slots__ = ("_listener", "end")

    def __init__(self, end: Socket, listener: int) -> None:
        self.end, self._listener = end, Socket(fileno=listener) if listener >= 0 else None

    def report(self, listener: int) -> None:
        """Hand a seccomp listener over, and wait until it was passed on."""
        link.send(self.end, "listener", fds=(listener,))
        os.close(listener)

    def wait(self) -> None:
        """Say that only the execve is left, and come back when it is to be done."""
        link.send(self.end, "ready")
        if self._listener is None:
            link.receive(self.end, "go")
            return
        self.end.close()
        _heed()
        while True:
            self.end = self._listener.accept()
            try:
                link.receive(self.end, "go")
            except EngineError:
                self.end.close()  # somebody only asked whether we are here
                continue
            self._listener.close()
            return


def _heed() -> None:
    """End by what ends other processes while they wait: the kernel spares the first one of a pid namespace (pid_namespaces(7)).

    Handlers vanish at the execve(2).
    """
    for number in (signals.SIGHUP, signals.SIGINT, signals.SIGQUIT, signals.SIGTERM):
        signals.signal(number, _leave)


def _leave(number: int, _frame: object) -> NoReturn:
    os._exit(128 + number)


def _run(order: Order, door: Door, spaces: Spaces) -> NoReturn:
    oci, linux = order.oci, order.oci["linux"]
    listed = mountoptions.read(oci["mounts"])
    spaces.enter_late("mount")
    place = _open_place(order)
    top, given, loose = parts.receive(door.end)
    groups.join(order.cgroups, order.unified)
    if "user" in spaces.kinds:
        become_root()
        place = place if place >= 0 else _open_place(order)
    process.set_dumpable(False)
    apart = "mount" in spaces.kinds
    if place < 0 and not apart:
        raise EngineError(f"root.path {order.rootfs} can't be reached, and without a mount namespace it has to be")
    if place < 0:
        place = os.open(_SOMEWHERE, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if apart:
        # The root of a joined mount namespace stays a slave of what it was one of.
        mounts.set_propagation("/", mounts.MS_SLAVE | mounts.MS_REC)
    mounts.move(top, place)
    os.close(place)
    if not apart:
        link.send(door.end, "attached")
    if spaces.has_own("network"):
        own.raise_loopback()
    spaces.enter_late("cgroup")
    root = Root(top, foreign=True)
    as_host = spaces.has_own("mount") and "user" not in spaces.kinds
    mounting.build(root, linux, listed, given, loose, spaces, open_again=parts.open_again if as_host else None)
    if "uts" in spaces.kinds:  # one that is joined gets names, too
        own.set_names(oci)
    _run_hooks(order, door)
    wanted = _announced(order)
    _make(root, str(wanted.get("cwd") or "/"), directory=True)
    if wanted.get("terminal"):
        _make(root, "/dev/console", directory=False)
    _enter(root, order, apart=apart)
    spaces.close()
    _take_streams(order, door)
    if order.process is None:
        door.wait()
        raise EngineError("there is no process in this configuration to become")
    memory.take(linux)
    become(
        wanted,
        personality=linux.get("personality"),
        program=order.filter(),
        report=door.report,
        gate=door.wait,
        last=lambda: _run_start_hooks(order),
        preserve=order.preserve,
        keyring=order.keyring,
    )


def _enter(root: Root, order: Order, *, apart: bool) -> None:
    """Make it this process's root; `apart`: in a mount namespace that is not the host's."""
    read_only = bool(order.oci["root"].get("readonly"))
    if not apart:
        return _enter_by_chroot(root, read_only=read_only)
    flow = mountoptions.propagation_of(order.oci["linux"].get("rootfsPropagation") or "")
    return (enter if order.pivot else unpivoted.enter)(root, read_only=read_only, propagation=flow)


def _enter_by_chroot(root: Root, *, read_only: bool) -> None:
    """Where the mount namespace is the host's there is nothing to pivot; whoever holds CAP_SYS_CHROOT can leave such a root."""
    os.fchdir(root.fd)
    if read_only:
        mounts.set_attributes(root.fd, mounts.ATTR_RDONLY)
    os.chroot(".")
    os.chdir("/")
    os.close(root.fd)


def become_root() -> None:
    """The user namespace's root, if it has one."""
    try:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    except OSError:
        return
    try:
        os.setgroups(())
    except PermissionError:
        return


def _open_place(order: Order) -> int:
    """Where the root lies on the host, for hooks that go by its path; -1 when this process may not go there."""
    try:
        return os.open(order.rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return -1


def _announced(order: Order) -> dict[str, Any]:
    """The process object; where sockets were passed on as systemd does, it is told so (sd_listen_fds(3))."""
    wanted = order.process or {}
    if not order.sockets:
        return wanted
    told = [f"LISTEN_FDS={order.sockets}", f"LISTEN_PID={os.getpid()}"]
    return {**wanted, "env": [*(wanted.get("env") or ()), *told]}


def _run_hooks(order: Order, door: Door) -> None:
    """Those of the runtime's namespaces first, by the runtime, then those of the container's, which still have the host's paths."""
    hooks = order.oci.get("hooks") or {}
    if hooks.get("prestart") or hooks.get("createRuntime"):
        link.send(door.end, "built")
        link.receive(door.end, "hooked")
    foreign_hooks.run_all("createContainer", hooks.get("createContainer") or (), _state(order, "created"), order.bundle)


def _state(order: Order, status: str) -> dict[str, object]:
    """As the container sees it."""
    return {
        "ociVersion": OCI, "id": order.ident, "status": status, "pid": os.getpid(), "bundle": order.bundle,
        "annotations": order.oci.get("annotations") or {},
    }  # fmt: skip


def _make(root: Root, path: str, *, directory: bool) -> None:
    """As runtimes do where it is missing, while the root may still be written to; who needs it tells what is wrong with it."""
    try:
        os.close(root.open_target(path, directory=directory))
    except (EngineError, OSError):
        return


def _take_streams(order: Order, door: Door) -> None:
    wanted = order.process or {}
    if not wanted.get("terminal"):
        os.setsid()
        return
    take_terminal(wanted, door.end, *own.open_console())


def take_terminal(wanted: dict[str, object], end: Socket, master: int, slave: int) -> None:
    """Make `slave` this process's terminal, and give the other side away."""
    user, size = wanted.get("user") or {}, wanted.get("consoleSize")
    if isinstance(user, dict) and user.get("uid"):
        os.fchown(slave, user["uid"], -1)
    if isinstance(size, dict):
        pty.resize(master, size.get("height", 0), size.get("width", 0))
    link.send(end, "terminal", fds=(master,))
    os.close(master)
    pty.take(slave)
    os.close(slave)


def _run_start_hooks(order: Order) -> None:
    """Those are programs of the container's: they may do what it may, and no more."""
    hooks = (order.oci.get("hooks") or {}).get("startContainer") or ()
    foreign_hooks.run_all("startContainer", hooks, _state(order, "created"), "/")
