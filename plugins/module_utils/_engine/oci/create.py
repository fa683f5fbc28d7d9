# SPDX-License-Identifier: GPL-3.0-or-later
"""From a bundle to a container that waits to be started, or has been: whole, or an error and nothing left."""

from __future__ import annotations

import os
import time

from ..errors import InvalidSpec
from ..kernel import mounts, proc, process, signals
from ..kernel.sockets import Socket
from ..runtime import devices, foreign, foreign_hooks, ids, limits, link, mountoptions, parts, spaces, sysctls
from ..runtime.become import ungranted
from ..undo import Undo
from ..values import Value
from . import config as configs
from . import console, filters, groups
from .store import Home, Known, state_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..runtime.devices import Node
    from ..runtime.mountoptions import Mount
    from ..runtime.nursery import Nursling
    from ..security.seccomp import Program
    from .config import Config


class Wish(Value):
    """What a command line says of a new container. The sockets and `pid_file` are paths or ""; `root` is the runtime's."""

    root: str
    ident: str
    bundle: str = "."
    config: str = "config.json"
    pid_file: str = ""
    console_socket: str = ""
    pidfd_socket: str = ""
    preserve: int = 0
    sockets: int = 0
    systemd: bool = False
    keyring: bool = True
    pivot: bool = True


class Made(Value):
    """A container whose process `pid` is a child of ours. Without a door `runtime` is where it waits for "go"; `master` is -1 or
    the terminal, which the caller closes."""

    home: Home
    known: Known
    config: Config
    pid: int
    runtime: Socket
    master: int


def create(wish: Wish, midwife: Nursling, warn: Callable[[str], object], *, door: bool) -> Made:
    """The container, ready to be started: by `start` through its door, or by "go" from whoever called this.

    Errors are EngineErrors; then nothing is left but what hooks may have done. `warn` is told of what is not granted.
    """
    data = configs.read(f"{os.path.realpath(wish.bundle)}/{wish.config}")
    config = configs.parse(data, os.path.realpath(wish.bundle))
    console.check(config.process, wish.console_socket, detached=door)
    places = spaces.open_spaces(config.linux)
    path = config.linux.get("cgroupsPath") or ""
    scope = groups.scope_of(path, wish.ident) if wish.systemd else ""
    _check(config, places, warn)
    if not wish.pivot:
        warn("--no-pivot: the host's root stays below the container's, and who may mount there can reach it")
    program = filters.compiled(config.linux.get("seccomp"))
    with Undo() as undo:
        home = Home(wish.root, wish.ident)
        known = _reserve(home, config, groups.place_of(path, wish.ident, scope), data, apart=bool(scope))
        undo.later(home.forget)
        kinds, new_user = places.kinds, "user" in places.new
        with groups.held(scope, wish.ident):
            known = _own(home, known, scope)
            undo.later(lambda: groups.remove(known.made, known.scope))
            cgroups, unified = groups.create(known.place, config.linux)
            known = known.replace(cgroups=cgroups, unified=unified)
            pid = _bear(midwife, _order(wish, config, places, known, program, door=door), places, home)
        undo.later(lambda: kill(pid, known))
        known = known.replace(pid=pid, started=proc.start_time(pid))
        attached: list[str] = []
        undo.later(lambda: _detach(attached))
        master = _equip(midwife.link, config, home, known, kinds, attached, new_user=new_user)
        if door and master >= 0:
            console.send(wish.console_socket, master)
            master = -1
        known = known.replace(ready=True, mounts=tuple(attached))
        home.write(known)
        if wish.pid_file:
            write_pid(wish.pid_file, pid)
        if wish.pidfd_socket:
            console.send_pidfd(wish.pidfd_socket, pid)
        undo.keep()
    home.__exit__()
    return Made(home=home, known=known, config=config, pid=pid, runtime=midwife.link, master=master)


def _check(config: Config, places: spaces.Spaces, warn: Callable[[str], object]) -> None:
    """What takes a look at this host to say. InvalidSpec and Unsupported; `warn` for what is let pass."""
    linux = config.linux
    for name, value in (linux.get("sysctl") or {}).items():
        sysctls.check(name, value, places)
        if name.replace("/", ".") == "kernel.hostname":
            raise InvalidSpec("linux.sysctl: kernel.hostname is what hostname sets: write that")
        if name.replace("/", ".") == "kernel.domainname" and config.oci.get("domainname") not in (None, "", value):
            raise InvalidSpec("linux.sysctl: kernel.domainname is not what domainname says: leave one of them out")
    if "user" in places.new:
        ids.check_complete(ids.read(linux.get("uidMappings") or (), linux.get("gidMappings") or ()))
    if "mount" not in places.kinds:
        warn("linux.namespaces: without one of kind mount every mount is the host's, and the root is none that holds")
    for name in ungranted(config.process or {}):
        warn(f"process.capabilities: {name!a} can't be granted here")
    groups.check(linux.get("resources") or {})


def _order(
    wish: Wish, config: Config, places: spaces.Spaces, known: Known, program: Program | None, *, door: bool
) -> foreign.Order:
    return foreign.Order(
        verb="create",
        ident=wish.ident,
        bundle=config.bundle,
        rootfs=config.rootfs,
        oci={**config.oci, "linux": {**config.linux, "seccomp": None, "resources": None}},
        process=config.process,
        new=tuple(places.new),
        joined=tuple(places.joined),
        offsets=places.offsets,
        cgroups=known.cgroups,
        unified=known.unified,
        seccomp=program.code if program else b"",
        seccomp_flags=program.flags if program else 0,
        preserve=wish.preserve,
        sockets=wish.sockets,
        listener=door,
        keyring=wish.keyring,
        pivot=wish.pivot,
    )


def _detach(points: list[str]) -> None:
    for point in points:
        mounts.unmount(point, mounts.MNT_DETACH | mounts.UMOUNT_NOFOLLOW)


def _reserve(home: Home, config: Config, place: str, data: bytes, *, apart: bool) -> Known:
    """Take the name. The directories to remove are told of before they are made, but for those `apart`, in a scope."""
    known = Known(
        bundle=config.bundle,
        rootfs=config.rootfs,
        created=time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() % 1_000_000_000:09d}Z",
        annotations=config.oci.get("annotations") or {},
        made=() if apart else groups.missing_of(place),
        place=place,
    )
    home.reserve(known, data)
    return known


def _own(home: Home, known: Known, scope: str) -> Known:
    """A scope is ours from when it is made: until then there may be one of others by that name."""
    if scope:
        known = known.replace(scope=scope, made=groups.made_in(scope))
        home.write(known)
    return known


def _bear(midwife: Nursling, order: foreign.Order, places: spaces.Spaces, home: Home) -> int:
    fds = tuple(places.joined.values())
    door = home.open_door() if order.listener else None
    try:
        foreign.send_order(midwife.link, order, (*fds, door.fileno()) if door else fds)
        born, _unused = link.receive(midwife.link, "born")
    finally:
        places.close()
        if door:
            door.close()
        os.waitpid(midwife.pid, 0)
    return int(born["pid"])


def _equip(
    runtime: Socket,
    config: Config,
    home: Home,
    known: Known,
    kinds: frozenset[str],
    attached: list[str],
    *,
    new_user: bool,
) -> int:
    """Give the process what only the host's root has, and follow it until it waits; its terminal, or -1.

    `attached` becomes what it has mounted on the host's side, having no mount namespace.
    """
    limits.give(known.pid, config.process or {}, strict=True)
    _give_parts(runtime, config, home, kinds, known, new=new_user)
    master = -1
    while True:
        said, fds = link.receive(runtime, "ready", "built", "terminal", "listener", "attached")
        if said["word"] == "ready":
            return master
        if said["word"] == "attached":
            attached.append(known.rootfs)
            home.write(known.replace(mounts=tuple(attached)))
        elif said["word"] == "terminal":
            master = fds[0]
        elif said["word"] == "listener":
            filters.pass_on(config, fds[0], state_of(home.ident, known, "creating"))
        else:
            _run_hooks(config, home, known)
            link.send(runtime, "hooked")


def _run_hooks(config: Config, home: Home, known: Known) -> None:
    home.write(known)
    for kind in ("prestart", "createRuntime"):
        foreign_hooks.run_all(kind, config.hooks(kind), state_of(home.ident, known, "created"), config.bundle)


def _give_parts(runtime: Socket, config: Config, home: Home, kinds: frozenset[str], known: Known, *, new: bool) -> None:
    """Map the ids, then send the process what only the host's root can open."""
    linux, mapping, userns = config.linux, ids.IdMap(), -1
    if "user" in kinds:
        if new:
            mapping = ids.read(linux.get("uidMappings") or (), linux.get("gidMappings") or ())
            mapping.write(known.pid)
        else:
            mapping = ids.of_process(known.pid)
        userns = os.open(f"/proc/{known.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        listed = mountoptions.read(config.oci["mounts"])
        nodes = devices.read(linux.get("devices") or ())
        shared = parts.open_shared(listed)
        root = parts.open_root(config.rootfs, mountoptions.propagation_of(linux.get("rootfsPropagation") or ""))
        with _Aside(needed=_has_loose(listed, nodes)):
            given, loose = parts.open_all(
                listed, nodes, mapping, userns, scratch=home.path, map_binds=False, shared=shared
            )
        parts.send(runtime, root, given, loose)
    finally:
        if userns >= 0:
            os.close(userns)


def _has_loose(listed: Sequence[Mount], nodes: Sequence[Node]) -> bool:
    """Whether there are nodes that are not in a /dev of ours."""
    return not any(mount.target == "/dev" for mount in listed) or any(
        not node.path.startswith("/dev/") for node in nodes
    )


class _Aside:
    """For a while this process has a mount namespace of its own, where that is `needed`."""

    def __init__(self, *, needed: bool) -> None:
        self._needed, self._home, self._here = needed, -1, -1

    def __enter__(self) -> None:
        if self._needed:
            self._home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
            self._here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            process.unshare(process.NEWNS)
            mounts.set_propagation("/", mounts.MS_SLAVE | mounts.MS_REC)

    def __exit__(self, *_unused: object) -> None:
        if self._home >= 0:
            process.setns(self._home, process.NEWNS)
            os.fchdir(self._here)
            os.close(self._home)
            os.close(self._here)


def kill(pid: int, known: Known) -> None:
    """End a process of ours that is not to run, and whatever it has started."""
    pidfd = process.open_pidfd(pid)
    process.send_signal(pidfd, signals.SIGKILL)
    os.close(pidfd)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return
    groups.kill(known.place)


def write_pid(path: str, pid: int) -> None:
    """The pid as text, there whole or not at all. EngineError when it can't be written."""
    from ..records import write_file

    write_file(os.path.abspath(path), str(pid).encode(), mode=0o644, durable=False)
