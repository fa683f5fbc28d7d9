# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's place on a bridge: `reserve` decides it before the process exists, `connect` makes it, `release` takes it back.

A crash between any two steps leaves nothing that the next `reserve` or `release` of the same container does not mend; leases of
containers that are gone are free for the next one. The only lasting state is the subnet and the leases; the rest is in /run.
"""

from __future__ import annotations

import errno
import os
import time

from .. import packed
from ..errors import Damaged, NotFound
from ..kernel import sockets
from ..kernel.sockets import Socket
from ..locks import Lock
from ..records import read_record, write_record
from ..values import Value
from . import claims, directory, leases, links, nat, subnets
from .ports import Port
from .wire import NetlinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..paths import Paths

INNER = "eth0"


class Attachment(Value):
    """Where a container is on its network. `ports` have their final numbers; `names` lead to the address on this network."""

    ident: str
    network: str
    bridge: str
    address: str
    prefix: int
    gateway: str
    mac: str
    host_interface: str
    ports: tuple[Port, ...] = ()
    names: tuple[str, ...] = ()
    names_dir: str


def warm() -> None:
    """Import what `connect` will need (some 10 ms), for a caller that has to wait for something else anyway."""
    packed.add(packed.NETLINK)
    from . import netlink

    netlink.ready()


def reserve(
    paths: Paths, ident: str, name: str, hostname: str, ports: tuple[Port, ...], network: str = subnets.DEFAULT
) -> Attachment:
    """An address, the ports of the host and the names, before the container's process exists. Nothing is made in the kernel.

    The container's directory must be there. Again for the same container: the old place is given back first, and the same
    address comes out. Conflict when a port is taken, before anything is written.
    """
    release(paths, ident, network)
    subnet = subnets.subnet_of(paths, network)
    address = leases.take(paths, network, subnet, ident, name)
    try:
        attachment = Attachment(
            ident=ident,
            network=network,
            bridge=paths.kernel_name(network, 15),
            address=address,
            prefix=subnet.prefix,
            gateway=subnet.gateway,
            mac=leases.mac_of(address),
            host_interface=links.pair_name(ident),
            names=(name, ident[:12], hostname),
            names_dir=directory.names_dir(paths, network),
        )
        attachment = _record(paths, attachment, ports)
    except BaseException:
        leases.give_back(paths, network, address, ident)
        raise
    directory.enter(
        attachment.names_dir,
        address,
        attachment.names[:2],
        hostname,
        lambda held: bool(leases.holder(paths, network, held)),
    )
    return attachment


def connect(paths: Paths, attachment: Attachment, pid: int) -> None:
    """Make the link from the bridge to `eth0` in the network namespace of `pid`: address, default route, lo, NAT, ports.

    Bridge and table are made when missing. NotFound when the process is gone. The caller has one thread and its own namespace.
    On an error the link is removed; the caller still calls `release`.
    """
    from . import wire

    try:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        raise NotFound(f"process {pid} of the container ended before its network was connected") from None
    try:
        with wire.open_socket() as door:
            bridge = _bridge(door, attachment)
            _ensure_table(paths, attachment.network, attachment.bridge)
            _pair(door, attachment, bridge, namespace)
        try:
            links.inside(namespace, lambda: _inside(attachment))
            if attachment.ports:
                _table(paths, attachment.network, attachment.bridge).publish(attachment.ports, attachment.address)
        except BaseException:
            links.remove(attachment.host_interface)
            raise
    finally:
        os.close(namespace)


def release(paths: Paths, ident: str, network: str = subnets.DEFAULT, *, ended: bool = False) -> bool:
    """Take back what `reserve` and `connect` gave: ports, link, names, lease; False when there was nothing. Idempotent.

    Removing a link takes the kernel some 30 ms. `ended` says that the container's last process has ended, so the kernel is
    removing it already and nobody has to wait; call `finish_release` when there is time.
    """
    attachment = attachment_of(paths, ident, network)
    if attachment is None:
        return False
    if attachment.ports:
        with Lock(paths.locks, "published-ports"):
            mine = claims.drop(_claims(paths), ident, attachment.ports)
            _table(paths, network, attachment.bridge).unpublish(mine)
    if not ended:
        links.remove(attachment.host_interface)
    directory.leave(attachment.names_dir, attachment.address, attachment.names)
    leases.give_back(paths, network, attachment.address, ident)
    _forget(_record_path(paths, network, ident))
    return True


def sweep(paths: Paths, ident: str, network: str = subnets.DEFAULT) -> None:
    """Take back what a `reserve` that was killed took before it wrote it down. It looks at every lease and port. Idempotent."""
    leases.drop_all_of(paths, network, ident)
    with Lock(paths.locks, "published-ports"):
        claims.drop_all_of(_claims(paths), ident)
    attached = os.path.dirname(_record_path(paths, network, ident))
    for name in os.listdir(attached) if os.path.isdir(attached) else ():
        if name.startswith(ident):
            _forget(f"{attached}/{name}")


def finish_release(ident: str, patience: float = 0.2) -> None:
    """Make sure that the link is gone after `release(ended=True)`: give the kernel `patience` seconds, then remove it.

    It stays by itself when something still holds the namespace: another container, or an open descriptor.
    """
    name, end = links.pair_name(ident), time.monotonic() + patience
    while links.is_there(name):
        if time.monotonic() >= end:
            links.remove(name)
            return
        time.sleep(0.01)


def attachment_of(paths: Paths, ident: str, network: str = subnets.DEFAULT) -> Attachment | None:
    """What `reserve` gave to the container and nobody released yet; None also after a reboot."""
    try:
        fields = read_record(_record_path(paths, network, ident))
    except NotFound:
        return None
    fields["ports"] = tuple(Port(**port) for port in fields["ports"])
    fields["names"] = tuple(fields["names"])
    return Attachment(**fields)


def attachments(paths: Paths, network: str = subnets.DEFAULT) -> list[Attachment]:
    """All of them. Reads one record per container: for repairs and listings."""
    try:
        names = sorted(os.listdir(f"{paths.run}/networks/{network}/attached"))
    except FileNotFoundError:
        return []
    found = (attachment_of(paths, name[:-5], network) for name in names if name.endswith(".json"))
    return [item for item in found if item is not None]


def repair(paths: Paths, network: str = subnets.DEFAULT) -> list[str]:
    """Make bridge, table and rules what they should be, whoever emptied or removed them; forget containers that are gone.

    Returns what was mended, as phrases; empty when all was well.
    """
    mended = [f"lease of {address}" for address in leases.drop_all_stale(paths, network)]
    for item in attachments(paths, network):
        if not os.path.exists(paths.container(item.ident)):
            release(paths, item.ident, network)
            mended.append(f"container {item.names[0]} that is gone")
    here = attachments(paths, network)
    if here:
        mended += _repair_kernel(paths, network, here)
    return mended


def remove_network(paths: Paths, network: str = subnets.DEFAULT) -> None:
    """Remove the bridge and the table; addresses that were decided stay decided. For the end of a root (uninstall, tests)."""
    bridge = paths.kernel_name(network, 15)
    if links.is_there(bridge):
        links.remove(bridge)
    _table(paths, network, bridge).remove()


def _record(paths: Paths, attachment: Attachment, ports: tuple[Port, ...]) -> Attachment:
    """Write the attachment down, with its ports claimed if there are any: claims of ids without a record count for nothing."""
    path = _record_path(paths, attachment.network, attachment.ident)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    if not ports:
        write_record(path, attachment.as_dict(), durable=False)
        return attachment

    def owner(ident: str) -> str:
        other = attachment_of(paths, ident, attachment.network)
        return other.names[0] if other is not None and os.path.exists(paths.container(ident)) else ""

    with Lock(paths.locks, "published-ports"):
        attachment = attachment.replace(ports=claims.claim(_claims(paths), attachment.ident, ports, owner))
        write_record(path, attachment.as_dict(), durable=False)
    return attachment


def _bridge(door: Socket, attachment: Attachment) -> int:
    """The index of the bridge, made or mended if need be."""
    from . import netlink

    name = attachment.bridge
    found = netlink.link(door, name)
    if found is None:
        try:
            netlink.make_bridge(door, name, leases.mac_of(attachment.gateway))
        except NetlinkError as error:
            if error.errno != errno.EEXIST:
                raise
        links.set_sysctl(f"ipv6/conf/{name}/disable_ipv6", "1", missing_ok=True)
        found = netlink.link(door, name)
    if found is None or found.kind != "bridge":
        raise Damaged(f"{name} is a link of this host but no bridge of ours: remove or rename it")
    if links.address_of(name) != attachment.gateway:
        try:
            netlink.raise_link(door, found.index, attachment.gateway, attachment.prefix)
        except NetlinkError as error:
            if error.errno != errno.EEXIST:
                raise
            netlink.raise_link(door, found.index)
    elif not found.up:
        netlink.raise_link(door, found.index)
    return found.index


def _pair(door: Socket, attachment: Attachment, bridge: int, namespace: int) -> None:
    from . import netlink

    name = attachment.host_interface
    try:
        netlink.make_pair(door, name, bridge, namespace, INNER, attachment.mac)
    except NetlinkError as error:
        # A pair of an earlier run of this container, whose namespace has not ended yet.
        if error.errno != errno.EEXIST or not links.remove(name):
            raise
        netlink.make_pair(door, name, bridge, namespace, INNER, attachment.mac)
    if attachment.ports:
        netlink.reflect(door, name)


def _inside(attachment: Attachment) -> None:

    from . import netlink, wire

    links.set_sysctl(f"ipv6/conf/{INNER}/disable_ipv6", "1", missing_ok=True)
    with wire.open_socket() as door:
        netlink.raise_link(door, 1)
        netlink.raise_link(
            door, sockets.if_nametoindex(INNER), attachment.address, attachment.prefix, attachment.gateway
        )


def _table(paths: Paths, network: str, bridge: str) -> nat.Table:
    return nat.Table(paths.kernel_name("berth"), bridge, subnets.subnet_of(paths, network))


def _ensure_table(paths: Paths, network: str, bridge: str) -> None:
    table = _table(paths, network, bridge)
    nat.allow_forwarding()
    if not table.is_loaded():
        table.load()
        _publish_all(table, attachments(paths, network))


def _publish_all(table: nat.Table, here: list[Attachment]) -> None:
    for item in here:
        if item.ports and links.is_there(item.host_interface):
            table.publish(item.ports, item.address)


def _repair_kernel(paths: Paths, network: str, here: list[Attachment]) -> list[str]:
    from . import wire

    mended = []
    bridge = here[0].bridge
    if links.address_of(bridge) != here[0].gateway:
        mended.append(f"bridge {bridge}")
    with wire.open_socket() as door:
        index = _bridge(door, here[0])
        mended += [f"link of {item.names[0]}" for item in here if _enslave(door, item, index)]
    table = _table(paths, network, bridge)
    nat.allow_forwarding()
    if not table.is_loaded():
        mended.append(f"nftables table {table.name}")
    table.load()
    _publish_all(table, here)
    return mended


def _enslave(door: Socket, item: Attachment, bridge: int) -> bool:
    """Make the host's end of a link a port of the bridge again if it is not; a bridge that was removed let go of its ports."""
    from . import netlink

    found = netlink.link(door, item.host_interface)
    if found is None or (found.master == bridge and found.up):
        return False
    netlink.join_bridge(door, found.index, bridge)
    if item.ports:
        netlink.reflect(door, item.host_interface)
    return True


def _record_path(paths: Paths, network: str, ident: str) -> str:
    return f"{paths.run}/networks/{network}/attached/{ident}.json"


def _claims(paths: Paths) -> str:
    return f"{paths.run}/networks/ports"


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
