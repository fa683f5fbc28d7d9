# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's first process until it executes the user's command: builds its root, then waits to be let go."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct

from ..errors import EngineError, KernelError, Refused
from ..kernel import mounts, process, sockets
from ..kernel.sockets import Socket
from . import groups, link, mounting, mountoptions, parts, pty
from .become import become
from .bundle import Bundle
from .root import Root, cover_console, enter
from .users import look_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .mountoptions import Mount
    from .spaces import Spaces

_SIOCSIFFLAGS = 0x8914


def main(
    bundle: Bundle, spaces: Spaces, listed: tuple[Mount, ...], supervisor: Socket, stdio: tuple[int, int, int]
) -> NoReturn:
    """Runs in the new namespaces, right after clone; leaves by execve(2), or with status 1 once the supervisor knows why."""
    try:
        _run(bundle, spaces, listed, supervisor, stdio)
    except BaseException as error:
        link.send_error(supervisor, error)
        os._exit(1)


def _run(
    bundle: Bundle, spaces: Spaces, listed: tuple[Mount, ...], supervisor: Socket, stdio: tuple[int, int, int]
) -> NoReturn:
    oci, linux = bundle.oci, bundle.oci["linux"]
    # Still the host's root, though with no rights but a file owner's: the path is not open to the container's ids.
    place = os.open(bundle.run, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    top, given, loose = parts.receive(supervisor)
    groups.join(bundle.cgroups, bundle.unified)
    if "user" in spaces.kinds:
        os.setresgid(0, 0, 0)
        os.setgroups(())
        os.setresuid(0, 0, 0)
    process.set_dumpable(False)
    mounts.set_propagation("/", mounts.MS_PRIVATE | mounts.MS_REC)
    mounts.move(top, place)
    os.close(place)
    if spaces.has_own("network"):
        _raise_loopback()
    spaces.enter_late("cgroup")
    root = Root(top)
    mounting.build(root, linux, listed, given, loose, spaces)
    propagation = mountoptions.propagation_of(str(linux.get("rootfsPropagation") or ""))
    enter(root, read_only=bool(oci["root"].get("readonly")), propagation=propagation)
    _name(oci, spaces)
    _prepare_directory(str(oci["process"]["cwd"]))
    terminal = _open_terminal() if bundle.terminal else ()
    kinds = spaces.kinds
    spaces.close()
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
        personality=linux.get("personality"),
        program=bundle.filter(),
        clamp=True,
        shield="user" not in kinds,
    )


def _name(oci: dict[str, Any], spaces: Spaces) -> None:
    """Only a UTS namespace made for this container gets its names."""
    if not spaces.has_own("uts"):
        return
    if oci.get("hostname"):
        process.sethostname(oci["hostname"])
    if oci.get("domainname"):
        process.setdomainname(oci["domainname"])


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
    master, slave, _path = pty.open_pair()
    here = Root(os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        cover_console(here, slave)
    finally:
        os.close(here.fd)
    return master, slave
