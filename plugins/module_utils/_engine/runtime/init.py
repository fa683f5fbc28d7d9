# SPDX-License-Identifier: GPL-3.0-or-later
"""The container's first process until it executes the user's command: builds its root, then waits to be let go."""

from __future__ import annotations

import errno
import os
import stat

from ..errors import EngineError, KernelError, Refused
from ..kernel import mounts, process
from ..kernel.sockets import Socket
from . import groups, link, mounting, mountoptions, own, parts, pty
from .become import become
from .bundle import Bundle
from .root import Root, enter
from .users import look_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .mountoptions import Mount
    from .spaces import Spaces


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
    groups.join(bundle.cgroups, bundle.unified)
    mounts.set_propagation("/", mounts.MS_PRIVATE | mounts.MS_REC)
    if spaces.has_own("network"):
        own.raise_loopback()
    # The supervisor was mapping ids and opening mounts meanwhile.
    top, given, loose = parts.receive(supervisor)
    if "user" in spaces.kinds:
        own.become_root()
    process.set_dumpable(False)
    mounts.move(top, place)
    os.close(place)
    spaces.enter_late("cgroup")
    root = Root(top)
    mounting.build(root, linux, listed, given, loose, spaces)
    propagation = mountoptions.propagation_of(str(linux.get("rootfsPropagation") or ""))
    enter(root, read_only=bool(oci["root"].get("readonly")), propagation=propagation)
    if spaces.has_own("uts"):
        own.set_names(oci)
    _prepare_directory(str(oci["process"]["cwd"]))
    terminal = own.open_console() if bundle.terminal else ()
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
