# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of each container, in a directory of its own below the runtime's root; the kernel's word decides its status."""

from __future__ import annotations

import fcntl
import os
import time

from ..errors import Busy, Conflict, InvalidSpec, NotFound, from_os
from ..kernel import proc, sockets
from ..kernel.sockets import Socket
from ..records import read_record, write_file, write_record
from ..values import Value
from ..version import OCI

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_ROOT = "/run/berth/oci"
_ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-.")
_PATIENCE = 10.0
_RECORD, _CONFIG, _DOOR = "state.json", "config.json", "start.sock"


class Known(Value):
    """`pid` is 0 until the container's process is there, `created` is text in RFC 3339, `cgroups` are its directories.

    `made` are those of them, and directories above them, that did not exist before; `place` is their path in each hierarchy,
    `scope` that of the systemd unit around it, if there is one.
    `mounts` are mount points on the host's side, for a container without a mount namespace.
    """

    bundle: str
    rootfs: str
    created: str
    pid: int = 0
    started: int = 0
    ready: bool = False
    oci_version: str = OCI
    annotations: dict[str, str] = {}
    cgroups: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    unified: str = ""
    place: str = ""
    scope: str = ""
    mounts: tuple[str, ...] = ()


class Home:
    """The directory of one container; it need not exist. Use as a context to be the only one who changes it."""

    __slots__ = ("_lock", "ident", "path")

    def __init__(self, root: str, ident: str) -> None:
        check_ident(ident)
        self.ident, self.path = ident, f"{os.path.abspath(root)}/{ident}"
        self._lock = -1

    def reserve(self, known: Known, config: bytes) -> None:
        """Make it, for root alone, and keep the configuration as it is now. Conflict when the name is taken. Locked from here on."""
        os.makedirs(os.path.dirname(self.path), mode=0o711, exist_ok=True)
        try:
            os.mkdir(self.path, 0o700)
        except FileExistsError:
            if not self._is_abandoned():
                raise Conflict(f"container with id exists: {self.ident}: delete it, or take another id") from None
        except OSError as error:
            raise from_os(error, f"make {self.path}") from error
        self.__enter__()
        write_file(f"{self.path}/{_CONFIG}", config, durable=False)
        self.write(known)

    def _is_abandoned(self) -> bool:
        """Whether its maker was killed before anything was made."""
        try:
            return not os.path.exists(f"{self.path}/{_RECORD}") and self._try_lock()
        finally:
            self.__exit__()

    def __enter__(self) -> Home:
        end = time.monotonic() + _PATIENCE
        while not self._try_lock():
            if time.monotonic() > end:
                raise Busy(f"container {self.ident} is in another command's hands: try again")
            time.sleep(0.01)
        return self

    def _try_lock(self) -> bool:
        try:
            lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise missing(self.ident) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def is_held(self) -> bool:
        """Whether another command has it in its hands."""
        if self._lock >= 0:
            return False
        if self._try_lock():
            self.__exit__()
            return False
        return True

    def __exit__(self, *_unused: object) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def write(self, known: Known) -> None:
        """Replace what is known."""
        write_record(f"{self.path}/{_RECORD}", known.as_dict(), durable=False)

    def read(self) -> Known:
        """What is known; NotFound when there is no such container."""
        try:
            fields = read_record(f"{self.path}/{_RECORD}")
        except NotFound:
            raise missing(self.ident) from None
        for name in ("cgroups", "made", "mounts"):
            fields[name] = tuple(fields[name])
        return Known(**fields)

    def config(self) -> bytes:
        """The configuration as it was when the container was made."""
        with open(f"{self.path}/{_CONFIG}", "rb") as file:
            return file.read()

    def forget(self) -> None:
        """Remove the directory. Idempotent."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return
        for name in names:
            os.unlink(f"{self.path}/{name}")
        os.rmdir(self.path)

    def open_door(self) -> Socket:
        """A socket at which the container's first process will wait for `start`. The caller closes it."""
        door = Socket(sockets.AF_UNIX, sockets.SOCK_SEQPACKET | sockets.SOCK_CLOEXEC)
        with _Short(self.path) as directory:
            door.bind(f"{directory}/{_DOOR}")
        door.listen(8)
        return door

    def knock(self) -> Socket | None:
        """A connection to the container's first process while it waits for `start`, else None."""
        end = Socket(sockets.AF_UNIX, sockets.SOCK_SEQPACKET | sockets.SOCK_CLOEXEC)
        try:
            with _Short(self.path) as directory:
                end.connect(f"{directory}/{_DOOR}")
        except (FileNotFoundError, ConnectionRefusedError):
            end.close()
            return None
        return end

    def close_door(self) -> None:
        """It has been started. Idempotent."""
        try:
            os.unlink(f"{self.path}/{_DOOR}")
        except FileNotFoundError:
            return


class _Short:
    """A directory's path that is short enough for a socket's address, whatever its own is."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> str:
        return f"/proc/self/fd/{self._fd}"

    def __exit__(self, *_unused: object) -> None:
        os.close(self._fd)


def check_ident(ident: str) -> None:
    """InvalidSpec for an id that is no file name of letters, digits and _+-. ."""
    if not _ALLOWED.issuperset(ident):
        raise InvalidSpec(f"invalid character in container ID {ident!a}: letters, digits and _+-. make one")
    if not ident or ident.startswith(".") or len(ident) > 255:
        raise InvalidSpec(f"invalid container ID {ident!a}: up to 255 characters, of which the first is no dot")


def missing(ident: str) -> NotFound:
    """The error that callers of runtimes know by its words."""
    return NotFound(f"container {ident} does not exist")


def status(home: Home, known: Known, *, paused: bool = False) -> str:
    """creating, created, running, paused or stopped; `paused` says what its cgroup's freezer is."""
    if not known.pid:
        # Its maker may have been killed; then nothing of it runs.
        return "creating" if home.is_held() else "stopped"
    if not proc.is_alive(known.pid, known.started):
        return "stopped"
    if not known.ready:
        return "creating"
    if paused:
        return "paused"
    door = home.knock()
    if door:
        door.close()
        return "created"
    return "running"


def state_of(ident: str, known: Known, word: str) -> dict[str, Any]:
    """The container's state as the specification writes it (runtime.md, State), and what runc has beside it."""
    return {
        "ociVersion": known.oci_version,
        "id": ident,
        "pid": known.pid if word != "stopped" else 0,
        "status": word,
        "bundle": known.bundle,
        "rootfs": known.rootfs,
        "created": known.created,
        "owner": "",
        "annotations": known.annotations,
    }


def idents(root: str) -> list[str]:
    """Every container below `root`."""
    try:
        return sorted(name for name in os.listdir(root) if os.path.exists(f"{root}/{name}/{_RECORD}"))
    except FileNotFoundError:
        return []
