# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this host can run containers: each feature is tried, not looked up, in a process that leaves nothing behind."""

from __future__ import annotations

import os

from .answer import Answer
from .cgroup import hierarchy
from .errors import EngineError, KernelError, Unsupported
from .kernel import libc, mounts, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .paths import Paths

_OLDEST = (5, 12)
_NAMESPACES = ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup")
_CONTROLLERS = {"memory": "memory", "cpu": "cpus", "pids": "pids_limit"}
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def preflight(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """`features` maps each name to whether it works here, `missing` those that do not to a sentence with the way out."""
    missing = {name: sentence for name, probe in PROBES.items() if (sentence := _try(probe, paths))}
    features = {name: name not in missing for name in PROBES}
    return Answer(result={"features": features, "missing": missing})


def _try(probe: Callable[[Paths], object], paths: Paths) -> str:
    try:
        probe(paths)
    except EngineError as error:
        return str(error)
    return ""


def _kernel(paths: Paths) -> None:
    release = os.uname().release
    if release_number(release) < _OLDEST:
        raise Unsupported(f"the kernel is Linux {release}: containers need {_OLDEST[0]}.{_OLDEST[1]} or newer")


def release_number(release: str) -> tuple[int, ...]:
    """(6, 1) of "6.1.0-40-amd64"."""
    return tuple(int("".join(filter(str.isdigit, part)) or "0") for part in release.split("-")[0].split(".")[:2])


def _namespaces(paths: Paths) -> None:
    absent = [name for name in _NAMESPACES if not os.path.exists(f"/proc/self/ns/{name}")]
    if absent:
        raise Unsupported(f"the kernel lacks the namespaces {', '.join(absent)}: use one that was built with them")


def _user_namespaces(paths: Paths) -> None:
    try:
        _in_child(lambda: process.unshare(_CLONE_NEWUSER))
    except EngineError as error:
        raise Unsupported(
            f"user namespaces are switched off ({error}): "
            "raise the sysctl user.max_user_namespaces, or use userns_mode: host in every container"
        ) from error


def _overlay(paths: Paths) -> None:
    try:
        os.close(libc.syscall("fsopen", b"overlay", 1))
    except KernelError as error:
        raise Unsupported("the kernel has no overlay file system: load the module overlay") from error


def _idmapped_layers(paths: Paths) -> None:
    """The file system that keeps the layers must take an id map, and overlayfs must take such layers (since Linux 5.19)."""
    way_out = "put the state elsewhere with the option root, or use userns_mode: host in every container"
    try:
        _in_child(lambda: _map_ids(_existing(paths.root)))
    except EngineError as error:
        raise Unsupported(
            f"the file system of {paths.root} can't be mapped into a user namespace ({error}): {way_out}"
        ) from error
    if release_number(os.uname().release) < (5, 19):
        raise Unsupported(
            "overlay layers can't be mapped into a user namespace before Linux 5.19: use userns_mode: host"
        )


def _map_ids(path: str) -> None:
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        try:
            # A namespace lives as long as its process: this one waits until its parent is done, or gone.
            process.unshare(_CLONE_NEWUSER)
            os.write(ready[1], b".")
            os.close(go[1])
            os.read(go[0], 1)
        finally:
            os._exit(0)
    os.close(ready[1])
    try:
        os.read(ready[0], 1)
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{pid}/{name}", "w") as file:
                file.write("0 536870912 65536")
        namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        mounts.set_attributes(mounts.open_tree(path), 0, userns_fd=namespace)
    finally:
        os.close(go[1])
        os.waitpid(pid, 0)


def _existing(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _cgroups(paths: Paths) -> None:
    here = hierarchy.mounted()
    if not here.mount_points():
        raise Unsupported("no cgroup hierarchy is mounted: mount cgroup2 at /sys/fs/cgroup")
    absent = [f"{name} (for {option})" for name, option in _CONTROLLERS.items() if not here.has(name)]
    if absent:
        raise Unsupported(f"there is no cgroup controller {', '.join(absent)}: enable it, or leave these options out")


def _bridge(paths: Paths) -> None:
    try:
        _in_child(_make_bridge)
    except EngineError as error:
        raise Unsupported(
            f"there is no bridge network ({error}): use network_mode none or host in every container"
        ) from error


def _make_bridge() -> None:
    from .network import netlink, wire

    process.unshare(_CLONE_NEWNET)
    with wire.open_socket() as door:
        netlink.make_bridge(door, "probe0", "02:00:00:00:00:01")
        bridge = netlink.link(door, "probe0")
        home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        netlink.make_pair(door, "probe1", bridge.index if bridge else 0, home, "probe2", "02:00:00:00:00:02")


def _nat(paths: Paths) -> None:
    _in_child(_load_table)


def _load_table() -> None:
    from .network import nat, subnets

    process.unshare(_CLONE_NEWNET)
    nat.Table("probe", "probe0", subnets.Subnet(base=subnets.number("192.0.2.0"), prefix=24)).load()


def _in_child(work: Callable[[], object]) -> None:
    """Run `work` in a process of its own, so that what it makes goes with it. Its EngineError flies here as an Unsupported."""
    receiver, sender = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(receiver)
            os.write(sender, _outcome(work).encode())
        finally:
            os._exit(0)
    os.close(sender)
    with open(receiver, encoding="utf-8") as file:
        said = file.read()
    os.waitpid(pid, 0)
    if said != "done":
        raise Unsupported(said or "the probe ended without a word")


def _outcome(work: Callable[[], object]) -> str:
    try:
        work()
    except (EngineError, OSError) as error:
        return str(error)
    return "done"


PROBES: dict[str, Callable[[Paths], object]] = {
    "kernel": _kernel,
    "namespaces": _namespaces,
    "user_namespaces": _user_namespaces,
    "overlay": _overlay,
    "idmapped_layers": _idmapped_layers,
    "cgroups": _cgroups,
    "bridge": _bridge,
    "nat": _nat,
}
