# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to pyroute2: bridges and pairs of links, made and looked at by rtnetlink messages of its classes.

pyroute2 as a whole costs 100 ms and more to import; its message codec alone costs 10, so that is all that comes in here.
Import this file when a network is to be made (`attach.warm` does), not before.
"""

from __future__ import annotations

import errno
import struct
import sys

from ..errors import MissingDependency
from ..kernel import sockets
from ..kernel.sockets import Socket
from ..values import Value
from . import wire
from .wire import NetlinkError, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NEWLINK, _GETLINK, _NEWADDR, _NEWROUTE = 16, 18, 20, 24
_MAKE = wire.CREATE | wire.EXCL
_UP = 1
_LINK_FIELDS = (("family", "B"), ("pad", "B"), ("ifi_type", "H"), ("index", "i"), ("flags", "I"), ("change", "I"))
_UNIVERSE, _UNICAST, _STATIC, _MAIN = 0, 1, 4, 254


class _Silence(type(sys)):  # type: ignore[misc]
    """A module of which every name is a function that does nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_words, **_options: self


def _codec() -> tuple[Any, Any]:
    """pyroute2's nlmsg and nla, or plain objects where it is missing: who then asks for a message gets the sentence.

    Others stand in for three modules meanwhile: an empty package for pyroute2 itself, whose own __init__ imports everything,
    and silence for those by which it would tell a log, besides raising it, what went wrong: half of what it imports.
    """
    if "pyroute2" in sys.modules:
        from pyroute2.netlink import nla, nlmsg

        return nlmsg, nla
    for finder in sys.meta_path:
        spec = finder.find_spec("pyroute2", None)
        if spec is not None and spec.submodule_search_locations:
            break
    else:
        return object, object
    package: Any = type(sys)("pyroute2")
    package.__path__ = list(spec.submodule_search_locations)
    silent = {name: _Silence(name) for name in ("logging", "traceback") if name not in sys.modules}
    sys.modules.update({"pyroute2": package, **silent})
    try:
        from pyroute2.netlink import nla, nlmsg
    finally:
        for name in ("pyroute2", *silent):
            del sys.modules[name]
    return nlmsg, nla


if TYPE_CHECKING:
    from pyroute2.netlink import nla as _nla
    from pyroute2.netlink import nlmsg as _nlmsg
else:
    _nlmsg, _nla = _codec()


class _Data(_nla):
    """What is particular to a kind of link; of those made here only a pair says something: its other end."""

    prefix = "VETH_INFO_"
    nla_map = ((1, "VETH_INFO_PEER", "peer"),)

    class peer(_nla):  # noqa: N801  pyroute2 finds the class by the name in nla_map
        prefix = "IFLA_"
        fields = _LINK_FIELDS
        nla_map = ((1, "IFLA_ADDRESS", "l2addr"), (3, "IFLA_IFNAME", "asciiz"), (28, "IFLA_NET_NS_FD", "uint32"))


class _Link(_nlmsg):
    """struct ifinfomsg and the attributes that are used here (rtnetlink(7))."""

    prefix = "IFLA_"
    fields = _LINK_FIELDS
    nla_map = (
        (1, "IFLA_ADDRESS", "l2addr"),
        (3, "IFLA_IFNAME", "asciiz"),
        (10, "IFLA_MASTER", "uint32"),
        (18, "IFLA_LINKINFO", "linkinfo"),
    )

    class linkinfo(_nla):  # noqa: N801
        prefix = "IFLA_INFO_"
        nla_map = (
            (1, "IFLA_INFO_KIND", "asciiz"),
            (2, "IFLA_INFO_DATA", "particulars"),
            (4, "IFLA_INFO_SLAVE_KIND", "asciiz"),
            (5, "IFLA_INFO_SLAVE_DATA", "port"),
        )
        particulars = _Data

        class port(_nla):  # noqa: N801
            prefix = "IFLA_BRPORT_"
            nla_map = ((4, "IFLA_BRPORT_MODE", "uint8"),)


class _Address(_nlmsg):
    """struct ifaddrmsg."""

    prefix = "IFA_"
    fields = (("family", "B"), ("prefixlen", "B"), ("flags", "B"), ("scope", "B"), ("index", "I"))
    nla_map = ((1, "IFA_ADDRESS", "ip4addr"), (2, "IFA_LOCAL", "ip4addr"), (4, "IFA_BROADCAST", "ip4addr"))


class _Route(_nlmsg):
    """struct rtmsg."""

    prefix = "RTA_"
    fields = (
        *((name, "B") for name in ("family", "dst_len", "src_len", "tos", "table", "proto", "scope", "type")),
        ("flags", "I"),
    )
    nla_map = ((4, "RTA_OIF", "uint32"), (5, "RTA_GATEWAY", "ip4addr"))


class Link(Value):
    """A link of the namespace that was asked. `master` is the index of the bridge it is a port of, else 0."""

    index: int
    name: str
    kind: str
    master: int
    up: bool
    mac: str


def ready() -> None:
    """Encode one message of each kind: pyroute2 builds its tables of attributes at first use."""
    for kind in (_Link, _Address, _Route):
        _encode(kind, {})


def link(door: Socket, name: str) -> Link | None:
    """The link called `name`, or None."""
    try:
        body = wire.exchange(door, [Request(f"look for {name}", _GETLINK, _encode(_Link, {}, ("IFLA_IFNAME", name)))])[
            0
        ]
    except NetlinkError as error:
        if error.errno == errno.ENODEV:
            return None
        raise
    # pyroute2 decodes whole messages and reads the length in the header.
    message = _Link(struct.pack("=IHHII", 16 + len(body), _NEWLINK, 0, 0, 0) + body)
    message.decode()
    info = message.get_attr("IFLA_LINKINFO")
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME"),
        kind=(info.get_attr("IFLA_INFO_KIND") if info else None) or "",
        master=message.get_attr("IFLA_MASTER") or 0,
        up=bool(message["flags"] & _UP),
        mac=message.get_attr("IFLA_ADDRESS") or "",
    )


def make_bridge(door: Socket, name: str, mac: str) -> None:
    """A bridge, still down. NetlinkError with EEXIST when the name is taken."""
    wire.exchange(
        door, [Request(f"make bridge {name}", _NEWLINK, _encode(_Link, {}, *_named(name, mac), _kind("bridge")), _MAKE)]
    )


def raise_link(door: Socket, index: int, address: str = "", prefix: int = 0, gateway: str = "") -> None:
    """Give link `index` its address if one is named, switch it on, and route everything through `gateway` if one is named."""
    requests = [Request("switch the link on", _NEWLINK, _encode(_Link, {"index": index, "flags": _UP, "change": _UP}))]
    if address:
        fields = {"family": sockets.AF_INET, "prefixlen": prefix, "index": index, "scope": _UNIVERSE}
        body = _encode(_Address, fields, ("IFA_LOCAL", address), ("IFA_ADDRESS", address))
        requests.insert(0, Request(f"add address {address}", _NEWADDR, body, wire.CREATE))
    if gateway:
        fields = {"family": sockets.AF_INET, "table": _MAIN, "proto": _STATIC, "scope": _UNIVERSE, "type": _UNICAST}
        body = _encode(_Route, fields, ("RTA_GATEWAY", gateway), ("RTA_OIF", index))
        requests.append(Request(f"add default route by {gateway}", _NEWROUTE, body, wire.CREATE))
    wire.exchange(door, requests)


def make_pair(door: Socket, host: str, bridge: int, namespace: int, inner: str, mac: str) -> None:
    """A pair of links: `host` here, up and a port of bridge `bridge`; `inner` with `mac` in the namespace of that descriptor."""
    other = {"attrs": [("IFLA_IFNAME", inner), ("IFLA_ADDRESS", mac), ("IFLA_NET_NS_FD", namespace)]}
    pair = _kind("veth", ("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", other)]}))
    body = _encode(_Link, {"flags": _UP, "change": _UP}, ("IFLA_IFNAME", host), ("IFLA_MASTER", bridge), pair)
    wire.exchange(door, [Request(f"make link {host}", _NEWLINK, body, _MAKE)])


def reflect(door: Socket, name: str) -> None:
    """Let the bridge send back to its port `name` what came from there: a container that calls its own published port.

    With br_netfilter the bridge itself, not the route, forwards what was translated, and never to where it came from.
    """
    port = {
        "attrs": [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", {"attrs": [("IFLA_BRPORT_MODE", 1)]})]
    }
    body = _encode(_Link, {}, ("IFLA_IFNAME", name), ("IFLA_LINKINFO", port))
    wire.exchange(door, [Request(f"let {name} reflect", _NEWLINK, body)])


def join_bridge(door: Socket, index: int, bridge: int) -> None:
    """Switch link `index` on and make it a port of bridge `bridge`."""
    body = _encode(_Link, {"index": index, "flags": _UP, "change": _UP}, ("IFLA_MASTER", bridge))
    wire.exchange(door, [Request("join the bridge", _NEWLINK, body)])


def _encode(kind: Any, fields: dict[str, int], *attributes: tuple[str, Any]) -> bytes:
    """The body of a message, without its header: the envelope is written by `wire`."""
    if kind.__base__ is object:
        raise MissingDependency(
            "container networks need the Python package pyroute2 beside the engine: deliver the engine again"
        )
    message = kind()
    message.update(fields)
    message["attrs"] = list(attributes)
    message.encode()
    return bytes(message.data[16:])


def _named(name: str, mac: str) -> tuple[tuple[str, Any], ...]:
    return ("IFLA_IFNAME", name), ("IFLA_ADDRESS", mac)


def _kind(kind: str, *more: tuple[str, Any]) -> tuple[str, Any]:
    return "IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", kind), *more]}
