# SPDX-License-Identifier: GPL-3.0-or-later
"""From a record to a running process: network and cgroup are prepared, the supervisor is let go, the rest is its own."""

from __future__ import annotations

import os

from ..cgroup import group, hierarchy, places
from ..errors import Conflict, EngineError, NotFound, from_os
from ..image.resolve import resolve
from ..network import modes, resolv
from ..paths import Paths
from ..records import write_file
from ..runtime import bundle as bundles
from ..runtime import launch, state
from ..undo import Scope, Undo
from . import record as records
from . import skeleton
from .bundling import compile_bundle
from .keeper import connect, fork_supervisor
from .processes import hostname_of
from .record import Record
from .release import claim, release, settled
from .resources import in_words_of, resources_of
from .spec import shares

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..kernel.sockets import Socket
    from ..locks import DirectoryLock
    from ..network.attach import Attachment
    from ..network.modes import Mode
    from ..runtime.nursery import Nursling
    from ..security.labels import Labels

# AppArmor's and SELinux's own, where the kernel has them.
_CONFINING = ("/sys/module/apparmor", "/sys/fs/selinux/enforce")


def start(
    paths: Paths,
    record: Record,
    *,
    client: Socket | None = None,
    size: tuple[int, int] | None = None,
    supervisor: Nursling | None = None,
    connector: Nursling | None = None,
    meanwhile: Callable[[], object] | None = None,
    lock: DirectoryLock | None = None,
) -> int:
    """The pid of the container's first process. Conflict when it runs already; an error leaves it as it was.

    `client` is attached from the first byte; `size` is rows and columns of its terminal. `supervisor` and `connector` were
    forked early. `meanwhile()` is called while the container is being made, unless there is a network to get ready for.
    `lock` is the container's, when the caller has it; it is given back.
    """
    with lock or records.lock(paths, record):
        if settled(paths, record).status == "running":
            raise Conflict(f"container {record.name} runs already")
        with claim(paths, record) as held, _scope(paths, record) as shelter:
            attachment = _prepare(paths, record, size)
            return launch.launch(
                supervisor or fork_supervisor(paths),
                f"{paths.container(record.id)}/bundle",
                paths.container_run(record.id),
                claim=held.fileno(),
                shelter=shelter,
                client=client,
                meanwhile=lambda: _use_the_time(paths, None if connector else attachment, meanwhile),
                connect=lambda pid: _connect(paths, attachment, pid, connector),
            )


def _prepare(paths: Paths, record: Record, size: tuple[int, int] | None) -> Attachment | None:
    """Everything that is decided and reserved before there is a process; an error gives it back."""
    mode = modes.parse_mode(record.spec.network_mode)
    here = hierarchy.mounted()
    try:
        image = resolve(paths, record.image_digest)
        other = _network_owner(paths, mode)
        record, shared = _claim(paths, record)
        attachment = _reserve(paths, record) if mode.kind == modes.BRIDGE else None
        directories = group.create(here, record.group(paths), record.id, resources_of(record.spec))
        _write_files(paths, record, mode, attachment, other)
        bundle = compile_bundle(
            paths,
            record,
            image,
            skeleton=skeleton.ensure(paths),
            size=size,
            shared=shared,
            labels=_labels(record),
            cgroups=directories,
            unified=places.birthplace(here, directories),
            network={modes.HOST: "host", modes.CONTAINER: "shared"}.get(mode.kind, "own"),
            network_of=other.state(paths).pid if other else 0,
            names_dir=attachment.names_dir if attachment else "",
            name_servers=record.spec.dns_servers,
        )
        bundles.save(bundle, f"{paths.container(record.id)}/bundle")
    except BaseException as error:
        release(paths, record)
        state.forget(paths.container_run(record.id))
        if isinstance(error, OSError):
            raise from_os(error, f"start container {record.name}") from error
        if isinstance(error, EngineError):
            raise in_words_of(record.spec, error) from error
        raise
    return attachment


def _scope(paths: Paths, record: Record) -> Scope:
    """Where systemd manages the groups: the container's scope, open for the time of the `with`, as the supervisor's group; else ""."""

    def make(undo: Undo) -> str:
        place = record.group(paths)
        if not place.endswith(".scope"):
            return ""
        from ..cgroup import scopes, systemd
        from .stop import manner

        undo.enter(systemd.open_scope(place, f"berth container {record.name}", manner(paths, record)[1]))
        return scopes.supervisors(place)

    return Scope(make)


def _claim(paths: Paths, record: Record) -> tuple[Record, dict[str, int]]:
    """The record as it is from now on, and the processes whose namespaces it shares."""
    if not shares(record.spec):
        return record, {}
    from . import sharing

    return sharing.claim(paths, record)


def _labels(record: Record) -> Labels | None:
    """What confines its processes besides the filter; None on a host that has no such thing, which is spared the imports."""
    spec = record.spec
    if not spec.security_opts and not any(map(os.path.exists, _CONFINING)):
        return None
    from ..security import apparmor, labels

    return labels.resolve(spec.security_opts, record.id, privileged=spec.privileged, loadable=apparmor.load())


def _use_the_time(paths: Paths, attachment: Attachment | None, meanwhile: Callable[[], object] | None) -> None:
    """The supervisor is at work: get ready for what comes after it, and let a new container's record reach the disk."""
    records.settle(paths)
    if attachment:
        from ..network import attach

        attach.warm()
    elif meanwhile:
        meanwhile()


def _connect(paths: Paths, attachment: Attachment | None, pid: int, connector: Nursling | None) -> None:
    if attachment and connector:
        connect(connector, attachment.ident, pid)
    elif attachment:
        from ..network import attach

        attach.connect(paths, attachment, pid)


def _reserve(paths: Paths, record: Record) -> Attachment:
    from ..network import attach
    from ..network.ports import parse_ports

    ports = parse_ports(record.spec.published_ports)
    return attach.reserve(paths, record.id, record.name, hostname_of(record), ports)


def _network_owner(paths: Paths, mode: Mode) -> Record | None:
    if mode.kind != modes.CONTAINER:
        return None
    owner = records.find(paths, mode.target)
    if owner.state(paths).status != "running":
        raise NotFound(f"network_mode {mode}: container {mode.target} does not run: start it first")
    return owner


def _write_files(paths: Paths, record: Record, mode: Mode, attachment: Attachment | None, other: Record | None) -> None:
    """/etc/hosts, /etc/hostname and /etc/resolv.conf: kept outside the root, and written in place so that a bind sees them."""
    home = f"{paths.container(record.id)}/bundle"
    if other:
        return _copy_files(f"{paths.container(other.id)}/bundle", home)
    hostname = hostname_of(record)
    names = (hostname, record.name) if attachment else (hostname,)
    address, gateway = (attachment.address, attachment.gateway) if attachment else ("", "")
    texts = {
        "hosts": resolv.hosts(names, address, record.spec.etc_hosts, gateway),
        "hostname": resolv.hostname(hostname),
        "resolv.conf": resolv.resolv_conf(mode.kind, _host_resolv_conf(), record.spec.dns_servers),
    }
    for name, text in texts.items():
        write_file(f"{home}/{name}", text.encode(), mode=0o644, durable=False)
    return None


def _host_resolv_conf() -> str:
    try:
        with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _copy_files(source: str, home: str) -> None:
    for name in ("hosts", "hostname", "resolv.conf"):
        with open(f"{source}/{name}", "rb") as file:
            write_file(f"{home}/{name}", file.read(), mode=0o644, durable=False)
