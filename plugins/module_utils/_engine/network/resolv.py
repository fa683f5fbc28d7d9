# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of a container's /etc/resolv.conf, /etc/hosts and /etc/hostname; pure, so the caller writes and tests them."""

from __future__ import annotations

from ..errors import InvalidSpec
from .modes import BRIDGE, CONTAINER, HOST, NONE
from .ports import is_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RESPONDER = "127.0.0.11"
HOST_GATEWAY = "host-gateway"
_LOCAL = (
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
)
_KEPT_OPTIONS = ("edns0", "trust-ad", "rotate", "use-vc", "single-request", "single-request-reopen", "no-aaaa")


def resolv_conf(kind: str, host_text: str, dns_servers: Iterable[str] = ()) -> str:
    """The container's resolver settings for network mode `kind`; `host_text` is the host's /etc/resolv.conf.

    On a bridge the responder at 127.0.0.11 answers, and asks `dns_servers`, or the host's, itself. With the host's network the
    container has `dns_servers` or exactly what the host has; without a network it has nothing but `dns_servers`.
    """
    if kind == CONTAINER:
        raise InvalidSpec(
            "a container that shares another's network shares its resolv.conf too: dns_servers has no place there"
        )
    given = list(dns_servers)
    if kind == BRIDGE:
        return _text([RESPONDER], _search(host_text), [*_options(host_text), "ndots:0"])
    if kind == HOST:
        return _text(given, _search(host_text), _options(host_text)) if given else host_text
    return _text(given, [], []) if given and kind == NONE else ""


def upstreams(host_text: str, dns_servers: Iterable[str] = ()) -> tuple[str, ...]:
    """The name servers that the responder asks: `dns_servers`, else those of the host's /etc/resolv.conf."""
    return tuple(dns_servers) or tuple(line[1] for line in _lines(host_text) if line[0] == "nameserver")


def check_dns_servers(servers: Iterable[object]) -> tuple[str, ...]:
    """The addresses themselves; InvalidSpec names the one that is none."""
    checked = []
    for server in servers:
        if not (isinstance(server, str) and (is_address(server) or _is_v6(server))):
            raise InvalidSpec(f"dns_servers: {server!a} is no address of a name server")
        checked.append(server)
    return tuple(checked)


def check_etc_hosts(entries: Mapping[str, object]) -> dict[str, str]:
    """Host names and their addresses; an address may be `host-gateway`. InvalidSpec names the entry."""
    checked = {}
    for name, address in entries.items():
        if not name or not name.isprintable() or "#" in name or len(name.split()) != 1:
            raise InvalidSpec(f"etc_hosts: {name!a} is no host name")
        if not (isinstance(address, str) and (address == HOST_GATEWAY or is_address(address) or _is_v6(address))):
            raise InvalidSpec(
                f"etc_hosts: {name} has {address!a}, which is no address: use an IP address or {HOST_GATEWAY}"
            )
        checked[name] = address
    return checked


def hosts(names: Iterable[str], address: str = "", entries: Mapping[str, str] | None = None, gateway: str = "") -> str:
    """/etc/hosts: localhost, then `entries`, then the container's own `names` for `address` (127.0.0.1 when it has none).

    `host-gateway` becomes `gateway`; without a network it is InvalidSpec.
    """
    lines = [_LOCAL]
    for name, target in (entries or {}).items():
        if target == HOST_GATEWAY and not gateway:
            raise InvalidSpec(f"etc_hosts: {name} is {HOST_GATEWAY}, but this container has no way to its host")
        lines.append(f"{gateway if target == HOST_GATEWAY else target}\t{name}\n")
    own = list(dict.fromkeys(name for name in names if name))
    if own:
        lines.append(f"{address or '127.0.0.1'}\t{' '.join(own)}\n")
    return "".join(lines)


def hostname(name: str) -> str:
    """/etc/hostname."""
    return f"{name}\n"


def _text(servers: list[str], search: list[str], options: list[str]) -> str:
    lines = [f"nameserver {server}" for server in servers]
    if search:
        lines.append(f"search {' '.join(search)}")
    if options:
        lines.append(f"options {' '.join(options)}")
    return "".join(f"{line}\n" for line in lines)


def _lines(text: str) -> list[list[str]]:
    """The settings of a resolv.conf(5), split into words, comments and lone keywords left out."""
    rows = [line.split() for line in text.splitlines() if line[:1] not in ("#", ";")]
    return [row for row in rows if len(row) > 1]


def _search(text: str) -> list[str]:
    """The search list: the last `search` or `domain` line counts."""
    found: list[str] = []
    for words in _lines(text):
        if words[0] in ("search", "domain"):
            found = [word for word in words[1:] if word != "."]
    return found


def _options(text: str) -> list[str]:
    words = [word for row in _lines(text) if row[0] == "options" for word in row[1:]]
    return [
        word for word in dict.fromkeys(words) if word in _KEPT_OPTIONS or word.startswith(("timeout:", "attempts:"))
    ]


def _is_v6(text: str) -> bool:
    import socket

    try:
        socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):
        return False
    return True
