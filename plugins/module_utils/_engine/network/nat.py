# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to the program nft: a table of our own that lets containers out and published ports in, and nothing else through.

The table is `berth` (other roots have a suffix). Its chain `admin` sees, before any rule of ours, every packet that is forwarded
to or from a container; a drop there wins, and the chain is never emptied. Packets to a published port carry the container's own
address and port by then; the port of the host is `ct original proto-dst`. Example, only one network may reach port 8080:

    nft add rule ip berth admin meta l4proto tcp ct original proto-dst 8080 ip saddr != 192.0.2.0/24 drop
"""

from __future__ import annotations

import errno
import os
import struct

from ..errors import EngineError, MissingDependency
from . import wire
from .links import set_sysctl
from .ports import ANY
from .wire import NetlinkError, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .ports import Port
    from .subnets import Subnet

ADMIN = "admin"
_GETCHAIN = 10 << 8 | 4
_FAMILY_IP = 2
_CHAIN_TABLE, _CHAIN_NAME = 1, 3
_MARK = "layout-"
_SEARCH = ("/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin")

# Published on 127.0.0.1 means for this host alone: the first return keeps neighbours that send to 127.0.0.1 on the wire out.
_RULES = """
add chain ip {table} admin
add map ip {table} ports {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
add map ip {table} ports_at {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
add chain ip {table} guard {{ type filter hook prerouting priority raw; policy accept; }}
add chain ip {table} forward {{ type filter hook forward priority filter; policy accept; }}
add chain ip {table} containers
add chain ip {table} published
add chain ip {table} prerouting {{ type nat hook prerouting priority dstnat; policy accept; }}
add chain ip {table} output {{ type nat hook output priority -100; policy accept; }}
add chain ip {table} postrouting {{ type nat hook postrouting priority srcnat; policy accept; }}
flush chain ip {table} guard
flush chain ip {table} forward
flush chain ip {table} containers
flush chain ip {table} published
flush chain ip {table} prerouting
flush chain ip {table} output
flush chain ip {table} postrouting
add rule ip {table} guard iifname "{bridge}" ip daddr 127.0.0.0/8 drop
add rule ip {table} guard iifname "{bridge}" ip saddr != {subnet} drop
add rule ip {table} forward iifname "{bridge}" goto containers
add rule ip {table} forward oifname "{bridge}" goto containers
add rule ip {table} containers jump admin
add rule ip {table} containers ct state established,related accept
add rule ip {table} containers iifname "{bridge}" accept
add rule ip {table} containers ct status dnat accept
add rule ip {table} containers drop
add rule ip {table} published dnat ip to ip daddr . meta l4proto . th dport map @ports_at
add rule ip {table} published dnat ip to meta l4proto . th dport map @ports
add rule ip {table} prerouting ip daddr 127.0.0.0/8 return
add rule ip {table} prerouting fib daddr type local meta l4proto {{ tcp, udp }} jump published
add rule ip {table} output fib daddr type local meta l4proto {{ tcp, udp }} jump published
add rule ip {table} postrouting ip saddr {subnet} oifname != "{bridge}" masquerade
add rule ip {table} postrouting oifname "{bridge}" ip saddr 127.0.0.0/8 masquerade
add rule ip {table} postrouting oifname "{bridge}" ip saddr {subnet} ct status dnat masquerade
"""


class Table:
    """The table called `name` for the containers on `bridge`, whose addresses are in `subnet`."""

    __slots__ = ("_mark", "_rules", "bridge", "name")

    def __init__(self, name: str, bridge: str, subnet: Subnet) -> None:
        self.name, self.bridge = name, bridge
        self._rules = _RULES.format(table=name, bridge=bridge, subnet=subnet)
        # An empty chain that is named for the rules says that they were loaded: one small question instead of a program.
        self._mark = f"{_MARK}{_fingerprint(self._rules)}"

    def is_loaded(self) -> bool:
        """Whether the table is there with exactly these rules. Costs two system calls."""
        body = (
            struct.pack("=BBH", _FAMILY_IP, 0, 0)
            + wire.attribute(_CHAIN_TABLE, self.name.encode() + b"\0")
            + wire.attribute(_CHAIN_NAME, self._mark.encode() + b"\0")
        )
        try:
            return bool(wire.run([Request("look for our nftables table", _GETCHAIN, body)], wire.NETFILTER))
        except NetlinkError as error:
            # EINVAL, EPROTONOSUPPORT: nobody has loaded nf_tables yet; nft will, or will say why not.
            if error.errno in (errno.ENOENT, errno.EINVAL, errno.EOPNOTSUPP):
                return False
            raise
        except OSError as error:
            if error.errno == errno.EPROTONOSUPPORT:
                return False
            raise

    def load(self) -> None:
        """Make the table what it should be, in one transaction; published ports and the chain `admin` stay. Idempotent."""
        stale = [name for name in self._marks() if name != self._mark]
        drop = "".join(f"delete chain ip {self.name} {name}\n" for name in stale)
        _nft(f"add table ip {self.name}\n{self._rules}{drop}add chain ip {self.name} {self._mark}\n")

    def publish(self, ports: Iterable[Port], address: str) -> None:
        """Lead the ports of the host to `address`, all or none. What else led there was left over: the caller holds the ports."""
        elements = [(_key(port), f"{address} . {port.container_port}") for port in ports]
        if not elements:
            return
        script = "".join(
            f"add element ip {self.name} {map_name} {{ {key} : {value} }}\n" for (map_name, key), value in elements
        )
        try:
            _nft(script)
        except EngineError:
            self.unpublish(ports)
            _nft(script)
        if any(port.host_ip == ANY or port.host_ip.startswith("127.") for port in ports):
            # The kernel may then send to a container what came from 127.0.0.1; chain guard keeps containers from the reverse.
            set_sysctl(f"ipv4/conf/{self.bridge}/route_localnet", "1", missing_ok=True)

    def unpublish(self, ports: Iterable[Port]) -> None:
        """Lead these ports of the host nowhere. Idempotent."""
        lines = [f"delete element ip {self.name} {map_name} {{ {key} }}\n" for map_name, key in map(_key, ports)]
        if not lines:
            return
        try:
            _nft("".join(lines))
        except EngineError:
            for line in lines:
                _try_nft(line)

    def remove(self) -> None:
        """Remove the table with all that is in it, the admin's rules too. Idempotent."""
        _try_nft(f"delete table ip {self.name}\n")

    def _marks(self) -> list[str]:
        words = _try_nft(f"list table ip {self.name}\n").split()
        return [word for before, word in zip(words, words[1:]) if before == "chain" and word.startswith(_MARK)]


def allow_forwarding() -> None:
    """Let this host forward packets, as every engine with bridges does; what it forwards beside ours is the admin's matter."""
    set_sysctl("ipv4/ip_forward", "1")


def foreign_drops() -> list[str]:
    """Chains of others, as "table filter chain FORWARD", that drop forwarded packets unless a rule of theirs lets them pass.

    What they drop stays dropped whatever our table says; the admin has to let the bridge pass there. Runs nft: for preflight.
    """
    found, table, chain = [], "", ""
    for line in _try_nft("list chains\n").splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            table = words[2]
        elif words[:1] == ["chain"]:
            chain = words[1]
        elif "hook forward" in line and "policy drop" in line:
            found.append(f"table {table} chain {chain}")
    return found


def _key(port: Port) -> tuple[str, str]:
    if port.host_ip == ANY:
        return "ports", f"{port.protocol} . {port.host_port}"
    return "ports_at", f"{port.host_ip} . {port.protocol} . {port.host_port}"


def _fingerprint(text: str) -> str:
    import zlib

    return f"{zlib.crc32(text.encode()):08x}"


def _find() -> str:
    for directory in _SEARCH:
        path = f"{directory}/nft"
        if os.access(path, os.X_OK):
            return path
    raise MissingDependency(
        "bridge networks need the program nft: install the package nftables on this host, or use network_mode none or host"
    )


def _nft(script: str) -> str:
    """Run nft on a script and return what it printed. EngineError with its first sentence when it refuses."""
    status, text = _run(script)
    if status:
        lines = [line for line in text.splitlines() if line.strip()]
        raise EngineError(f"nft: {lines[0] if lines else f'status {status}'}")
    return text


def _try_nft(script: str) -> str:
    """What nft printed, or "" when it refuses: for what may be gone already."""
    status, text = _run(script)
    return "" if status else text


def _run(script: str) -> tuple[int, str]:
    """posix_spawn(3), files in memory on both sides: nothing to import, and no pipe that could fill up."""
    program = _find()
    given = os.memfd_create("nft-script", os.MFD_CLOEXEC)
    printed = os.memfd_create("nft-output", os.MFD_CLOEXEC)
    try:
        os.write(given, script.encode())
        os.lseek(given, 0, os.SEEK_SET)
        actions = [
            (os.POSIX_SPAWN_DUP2, given, 0),
            (os.POSIX_SPAWN_DUP2, printed, 1),
            (os.POSIX_SPAWN_DUP2, printed, 2),
        ]
        pid = os.posix_spawn(program, [program, "-f", "-"], {"LC_ALL": "C"}, file_actions=actions)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        size = os.fstat(printed).st_size
        return status, os.pread(printed, size, 0).decode(errors="replace")
    finally:
        os.close(given)
        os.close(printed)
