# SPDX-License-Identifier: GPL-3.0-or-later
"""From a record and its image to the bundle that the runtime executes: everything is resolved here, nothing is done."""

from __future__ import annotations

import os

from ..paths import Paths
from ..rootfs import mounts
from ..runtime.bundle import Bundle
from ..security import masks, seccomp
from ..version import OCI
from .checking import binds_of
from .processes import command_of, environment_of, hostname_of, process_of
from .record import Record
from .resources import resources_of
from .spec import Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..image.resolve import Image
    from ..security.labels import Labels

_FILES = ("hosts", "hostname", "resolv.conf")


def compile_bundle(
    paths: Paths,
    record: Record,
    image: Image,
    *,
    cgroups: tuple[str, ...],
    unified: str,
    network: str,
    network_of: int = 0,
    names_dir: str = "",
    name_servers: tuple[str, ...] = (),
    skeleton: str,
    size: tuple[int, int] | None = None,
    shared: Mapping[str, int] | None = None,
    labels: Labels | None = None,
) -> Bundle:
    """The bundle of one start. `skeleton` lies below the image's layers.

    `network` is own, host or shared (see Bundle); `size` is rows and columns of its terminal; `shared` are the processes
    whose namespaces it shares, by kind in config.json's words, its network aside.
    """
    spec, home = record.spec, paths.container(record.id)
    shared = shared or {}
    oci = _config(record, image.config, own_network=network == "own", home=home, shared=shared, labels=labels)
    if spec.tty and size and all(size):
        oci["process"]["consoleSize"] = {"height": size[0], "width": size[1]}
    program = _filter(paths, spec, oci, unseen_sockets=image.architecture == "386" or _sees_families(labels))
    return Bundle(
        ident=record.id,
        root=paths.root,
        oci=oci,
        home=home,
        run=paths.container_run(record.id),
        layers=(*image.layers, skeleton),
        user=spec.user if spec.user is not None else str(image.config.get("User") or ""),
        groups=spec.groups,
        map_volumes=spec.userns_mode != "nomap",
        id_start=record.id_start,
        cgroups=cgroups,
        unified=unified,
        seccomp=program.code.hex() if program else "",
        seccomp_flags=program.flags if program else 0,
        network=network,
        network_of=network_of,
        names_dir=names_dir,
        name_servers=name_servers,
        interactive=spec.interactive,
        terminal=spec.tty,
        log=f"{home}/logs/container.log",
    )


def _sees_families(labels: Labels | None) -> bool:
    """Whether something else than the filter refuses families of sockets: the default profile of AppArmor."""
    if not labels or not labels.apparmor:
        return False
    from ..security.labels import PROFILE

    return labels.apparmor == PROFILE


def _filter(paths: Paths, spec: Spec, oci: dict[str, Any], *, unseen_sockets: bool) -> seccomp.Program | None:
    """Enter linux.seccomp for what the process may hold, and compile it."""
    held = tuple(name[len("CAP_") :] for name in oci["process"]["capabilities"]["bounding"])
    found = seccomp.resolve(spec.security_opts, held, privileged=spec.privileged, unseen_sockets=unseen_sockets)
    if found is None:
        return None
    oci["linux"]["seccomp"] = found
    return seccomp.compiled(f"{paths.run}/seccomp", found)


def _config(
    record: Record,
    config: dict[str, Any],
    *,
    own_network: bool,
    home: str,
    shared: Mapping[str, int],
    labels: Labels | None,
) -> dict[str, Any]:
    """config.json of runtime-spec 1.2."""
    spec = record.spec
    hostname = hostname_of(record)
    oci = {
        "ociVersion": OCI,
        "process": process_of(
            spec, config, labels, args=command_of(spec, config), env=environment_of(spec, config, hostname)
        ),
        "root": {"path": "rootfs", "readonly": spec.read_only},
        "hostname": hostname,
        "mounts": list(_mounts(spec, own_network=own_network, home=home, shared=shared)),
        "linux": _linux(record, own_network=own_network, shared=shared, labels=labels),
        "annotations": {"dev.berth.name": record.name},
    }
    if spec.uts_mode == "host":
        del oci["hostname"]
    elif spec.domainname:
        oci["domainname"] = spec.domainname
    return oci


def _mounts(spec: Spec, *, own_network: bool, home: str, shared: Mapping[str, int]) -> tuple[dict[str, Any], ...]:
    mapped = spec.userns_mode == "nomap"
    files = tuple(mounts.Bind(source=f"{home}/bundle/{name}", target=f"/etc/{name}", mapped=mapped) for name in _FILES)
    tmpfs = tuple(
        mounts.Tmpfs(target=target, options=tuple(options.split(",")) if options else ())
        for target, options in _pairs(spec)
    )
    users = mounts.of_users((*files, *binds_of(spec)), tmpfs)
    base = mounts.base(
        privileged=spec.privileged,
        own_network=own_network,
        shm=_shm(spec, shared),
    )
    if spec.ipc_mode == "host" and not os.path.isdir("/dev/mqueue"):
        # A host that has not mounted its own has none to show.
        base = tuple(entry for entry in base if entry["destination"] != "/dev/mqueue")
    return mounts.merge(base, users)


def _shm(spec: Spec, shared: Mapping[str, int]) -> str | int | None:
    """The size of /dev/shm, or where the one that is shared is, or None."""
    if "ipc" in shared:
        return f"/proc/{shared['ipc']}/root/dev/shm"
    if spec.ipc_mode == "host":
        return "/dev/shm"
    return None if spec.ipc_mode == "none" else spec.shm_size or mounts.SHM


def _pairs(spec: Spec) -> tuple[tuple[str, str], ...]:
    return tuple((text.partition(":")[0], text.partition(":")[2]) for text in spec.tmpfs)


def _linux(record: Record, *, own_network: bool, shared: Mapping[str, int], labels: Labels | None) -> dict[str, Any]:
    spec = record.spec
    masked, read_only = masks.resolve(spec.security_opts, privileged=spec.privileged)
    linux: dict[str, Any] = {
        "namespaces": _namespaces(record, own_network=own_network, shared=shared),
        "maskedPaths": list(masked),
        "readonlyPaths": list(read_only),
        "resources": resources_of(spec),
    }
    if record.id_start is not None and "user" not in shared:
        mapping = [{"containerID": 0, "hostID": record.id_start, "size": 65_536}]
        linux["uidMappings"] = linux["gidMappings"] = mapping
    sysctl = dict(spec.sysctls)
    if own_network:
        # What Docker sets too: ports below 1024 and ping need no capability in a network of one's own.
        last = 65_535 if record.id_start is not None else 2_147_483_647
        sysctl = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": f"0 {last}", **sysctl}
    if sysctl:
        linux["sysctl"] = sysctl
    if spec.devices:
        from .nodes import read

        linux["devices"] = list(read(spec.devices))
    if labels and labels.files:
        linux["mountLabel"] = labels.files
    return linux


def _namespaces(record: Record, *, own_network: bool, shared: Mapping[str, int]) -> list[dict[str, Any]]:
    """Those that are made and those that are shared with a container; what is the host's is left out."""
    spec = record.spec
    hosts = {
        "pid": spec.pid_mode == "host",
        "mount": False,
        "ipc": spec.ipc_mode == "host",
        "uts": spec.uts_mode == "host",
        "cgroup": spec.cgroupns_mode == "host",
        "network": not own_network,
        "user": record.id_start is None,
        "time": not os.path.exists("/proc/self/ns/time"),
    }
    return [
        {"type": kind, "path": f"/proc/{shared[kind]}/ns/{kind}"} if kind in shared else {"type": kind}
        for kind, host in hosts.items()
        if not host
    ]
