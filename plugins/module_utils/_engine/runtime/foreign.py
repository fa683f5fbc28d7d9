# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that makes a foreign bundle's processes: its own interpreter can't be written to, and it is gone when they run.

It joins what is to be joined and gives birth to the container's process as its own sibling, so that this is a child of the
command that asked, and of the command's own parent after that.
"""

from __future__ import annotations

import codecs
import marshal
import os
import sys

from ..errors import EngineError
from ..kernel import process
from ..kernel.sockets import Socket
from ..values import Value
from . import foreign_exec, foreign_init, limits, link
from .bundle import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The order is that of joining: others' namespaces need the host's rights, so the user namespace comes last. The new process
# enters a mount namespace itself, and one of cgroups: from within none can be born outside of it (cgroups(7), nsdelegate).
_ORDER = (
    ("network", process.NEWNET),
    ("ipc", process.NEWIPC),
    ("uts", process.NEWUTS),
    ("cgroup", process.NEWCGROUP),
    ("time", process.NEWTIME),
    ("pid", process.NEWPID),
    ("user", process.NEWUSER),
)
# They take modules out of the interpreter itself.
_SAFE_FINDERS = ("BuiltinImporter", "FrozenImporter")
_NEW = {**dict(_ORDER), "mount": process.NEWNS}


class Order(Value):
    """What to start. `oci` is a config.json that has been checked, `process` what runs (None: nothing can be started yet).

    `new` and `joined` are kinds of namespaces; a descriptor comes along for each that is joined, in that order. `offsets` are
    those of a new time namespace, as the kernel takes them. `cgroups` exist, `unified` is the one to be born in. `seccomp` is the
    compiled filter. `preserve` descriptors from 3 up are kept, the last `sockets` of them as
    from systemd. With `listener` another descriptor is a socket on which the command to start will be given.
    """

    verb: str
    ident: str
    bundle: str
    rootfs: str
    oci: dict[str, Any]
    process: dict[str, Any] | None
    new: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    offsets: str = ""
    cgroups: tuple[str, ...] = ()
    unified: str = ""
    seccomp: bytes = b""
    seccomp_flags: int = 0
    preserve: int = 0
    sockets: int = 0
    listener: bool = False
    keyring: bool = True
    pivot: bool = True

    def filter(self) -> Program | None:
        """What become() installs."""
        return Program(code=self.seccomp, flags=self.seccomp_flags) if self.seccomp else None


def send_order(end: Socket, order: Order, fds: tuple[int, ...]) -> None:
    """Give the order; it may be longer than a message, so it goes through memory."""
    sheet = os.memfd_create("order", os.MFD_CLOEXEC)
    try:
        with open(sheet, "wb", closefd=False) as file:
            marshal.dump(order.__dict__, file)
        link.send(end, "order", fds=(sheet, *fds))
    finally:
        os.close(sheet)


def main(door: int) -> int:
    """The life of the process, in an interpreter of its own (see sealed)."""
    process.set_dumpable(False)
    stop_importing()
    end = Socket(fileno=door)
    try:
        _fields, fds = link.receive(end, "order")
    except EngineError:
        return 0  # nobody needs us
    try:
        with open(fds[0], "rb") as file:
            file.seek(0)
            order = Order(**marshal.load(file))
        _close_others(order, {door, *fds})
        # The child has something to say as well, but not before it is known.
        turn = os.pipe2(os.O_CLOEXEC)
        pid = _give_birth(order, end, fds[1:], turn)
        link.send(end, "born", {"pid": pid})
        os.close(turn[1])
    except (EngineError, OSError) as error:
        link.send_error(end, error)
        return 1
    return 0


def stop_importing() -> None:
    """What is not loaded by now is not to be found, least of all below the root of a container."""
    codecs.lookup("ascii")
    sys.path.clear()
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") in _SAFE_FINDERS]


def _close_others(order: Order, kept: set[int]) -> None:
    """Whatever a caller leaked to its runtime ends here."""
    first = 3 + order.preserve
    for fd in sorted(fd for fd in kept if fd >= first):
        os.closerange(first, fd)
        first = fd + 1
    process.close_from(first)


def _give_birth(order: Order, end: Socket, fds: tuple[int, ...], turn: tuple[int, int]) -> int:
    wanted = order.process or {}
    limits.forget_scheduling()
    limits.forget_callers(wanted.get("rlimits") or ())
    if order.verb == "exec":
        limits.run_on(wanted, "initial")
    group = os.open(order.unified, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if order.unified else -1
    spaces = dict(zip(order.joined, fds))
    if order.verb == "exec":
        foreign_exec.prepare(order)
    if "time" in order.new:
        _enter_new_time(order.offsets)
    for kind, flag in _ORDER:
        if kind in spaces and kind != "cgroup":
            process.setns(spaces[kind], flag)
    # A cgroup namespace shows the groups that are joined before it is made.
    flags = sum(_NEW[kind] for kind in order.new if kind not in ("cgroup", "time"))
    pid = process.clone(flags, group, sibling=True)
    if pid == 0:
        if group >= 0:
            os.close(group)
        os.close(turn[1])
        os.read(turn[0], 1)  # the end of it, also when this process's maker is gone
        os.close(turn[0])
        if order.verb == "exec":
            foreign_exec.main(order, end, spaces)
        foreign_init.main(order, end, spaces, fds[-1] if order.listener else -1)
    return pid


def _enter_new_time(offsets: str) -> None:
    """time_namespaces(7): offsets can be set until the first process is in it, and that will be our child."""
    process.unshare(process.NEWTIME)
    if not offsets:
        return
    fd = os.open("/proc/self/timens_offsets", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, offsets.encode())
    except OSError as error:
        raise EngineError(f"linux.timeOffsets: {error.strerror}") from error
    finally:
        os.close(fd)
