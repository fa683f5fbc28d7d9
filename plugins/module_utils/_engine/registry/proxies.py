# SPDX-License-Identifier: GPL-3.0-or-later
"""Which proxy a request goes through, as the environment says: http_proxy, https_proxy and no_proxy, lower case before upper."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .endpoint import Origin


def proxy_for(origin: Origin, environment: Mapping[str, str]) -> str:
    """The proxy's URL, or "" to go there directly. This host itself is never asked through a proxy."""
    proxy = _variable(environment, f"{origin.scheme}_proxy")
    if not proxy or origin.is_loopback or _is_exempt(origin, _variable(environment, "no_proxy")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.upper()) or ""


def _is_exempt(origin: Origin, exempt: str) -> bool:
    return any(_matches(origin, item.strip().lower()) for item in exempt.split(",") if item.strip())


def _matches(origin: Origin, item: str) -> bool:
    """`item` is *, a domain with or without a leading dot (those below it count too), an address, a network, any with a port."""
    if item == "*":
        return True
    if "/" in item or item.count(":") > 1:
        return _in_network(origin.host, item.strip("[]"))
    name, colon, port = item.partition(":")
    if colon and port != str(origin.port):
        return False
    name = name.removeprefix("*").lstrip(".")
    return bool(name) and (origin.host == name or origin.host.endswith(f".{name}"))


def _in_network(host: str, network: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
