# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's first process until it executes the user's command: builds its root, then waits to be let go."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct

from ..errors import EngineError, KernelError, Refused
from ..kernel import files, mounts, process, sockets
from ..kernel.sockets import Socket
from . import groups, link, pty
from .become import become
from .bundle import Bundle
from .root import Root, enter, hide, mount_all, mount_cgroups
from .users import look_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


_SIOCSIFFLAGS = 0x8914


def main(bundle: Bundle, supervisor: Socket, stdio: tuple[int, int, int]) -> NoReturn:
    """Runs in the new namespaces, right after clone; leaves by execve(2), or with status 1 once the supervisor knows why."""
    try:
        _run(bundle, supervisor, stdio)
    except BaseException as error:
        link.send_error(supervisor, error)
        os._exit(1)


def _run(bundle: Bundle, supervisor: Socket, stdio: tuple[int, int, int]) -> NoReturn:
    oci = bundle.oci
    # Still the host's root, though with no rights but a file owner's: the path is not open to the container's ids.
    place = os.open(bundle.run, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    _fields, fds = link.receive(supervisor, "mounts")
    groups.join(bundle.cgroups, bundle.unified)
    if bundle.id_start is not None:
        os.setresgid(0, 0, 0)
        os.setgroups(())
        os.setresuid(0, 0, 0)
    process.set_dumpable(False)
    root = _build(bundle, place, fds)
    if bundle.network == "own":
        _raise_loopback()
    _build_rest(root, oci)
    enter(root, read_only=bool(oci["root"].get("readonly")))
    process.sethostname(oci["hostname"])
    _prepare_directory(str(oci["process"]["cwd"]))
    terminal = _open_terminal() if bundle.terminal else ()
    link.send(supervisor, "ready", {"made": root.made}, terminal[:1])
    link.receive(supervisor, "go")
    if terminal:
        os.fchown(terminal[1], look_up(bundle.user).uid, 5)
        pty.take(terminal[1])
    else:
        os.setsid()
        for number, fd in enumerate(stdio):
            os.dup2(fd, number)
    become(
        oci["process"],
        user=bundle.user,
        groups=bundle.groups,
        personality=oci["linux"].get("personality"),
        program=bundle.filter(),
        clamp=True,
    )


def _build(bundle: Bundle, place: int, fds: tuple[int, ...]) -> Root:
    """Everything that does not depend on the cgroup namespace."""
    mounts.set_propagation("/", mounts.MS_PRIVATE | mounts.MS_REC)
    mounts.move(fds[0], place)
    root = Root(fds[0])
    entries = bundle.oci["mounts"]
    given = dict(zip(given_targets(entries), fds[1:]))
    mount_all(root, entries, given)
    for name, value in bundle.oci["linux"].get("sysctl", {}).items():
        _set_sysctl(root, name, value)
    for fd in (place, *fds[1:]):
        os.close(fd)
    return root


def given_targets(entries: list[dict[str, Any]]) -> list[str]:
    """The destinations whose mounts come from the host's side as descriptors, in their order: /dev and the binds."""
    return [entry["destination"] for entry in entries if entry["destination"] == "/dev" or entry["type"] == "bind"]


def _build_rest(root: Root, oci: dict[str, Any]) -> None:
    process.unshare(process.NEWCGROUP)
    for entry in oci["mounts"]:
        if entry["type"] == "cgroup":
            mount_cgroups(root, entry)
    hide(root, oci["linux"]["maskedPaths"], oci["linux"]["readonlyPaths"])


def _set_sysctl(root: Root, name: str, value: str) -> None:
    path = "proc/sys/" + name.replace(".", "/")
    fd = files.openat2(root.fd, path, os.O_WRONLY, resolve=files.IN_ROOT | files.NO_SYMLINKS)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _raise_loopback() -> None:
    """Set IFF_UP on lo by SIOCSIFFLAGS (netdevice(7)): a network of one's own has at least itself."""
    with Socket(sockets.AF_INET, sockets.SOCK_DGRAM | sockets.SOCK_CLOEXEC) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", 1))


def _prepare_directory(path: str) -> None:
    """Make the working directory while still root of the container, as Docker does; it may lie behind links, not outside."""
    here = Root(os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        place = here.open_target(path, directory=True)
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            raise EngineError(f"working_dir {path} is not a directory in the container")
        os.close(place)
    except Refused as error:
        raise EngineError(f"working_dir {path}: {error}") from error
    except KernelError as error:
        if error.errno != errno.EROFS:
            raise EngineError(
                f"working_dir {path} can't be made in the container: {os.strerror(error.errno)}"
            ) from error
    finally:
        os.close(here.fd)


def _open_terminal() -> tuple[int, int]:
    master, slave, path = pty.open_pair()
    console = mounts.open_tree(path)
    mounts.move_to_path(console, "/dev/console")
    os.close(console)
    return master, slave
