# SPDX-License-Identifier: GPL-3.0-or-later
"""From a name that people write to the place to ask: scheme, host, port and the repository's name there."""

from __future__ import annotations

from ..errors import InvalidSpec
from ..values import Value

HUB = "docker.io"
_HUB_HOSTS = (HUB, "index.docker.io", "registry-1.docker.io")
_HUB_SERVER = "registry-1.docker.io"
_PORTS = {"http": 80, "https": 443}
_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")
_ADDRESS = frozenset("0123456789abcdef:.")


class Origin(Value):
    """Who is asked: the three things that must be equal for a secret to be shown again. IPv6 hosts come without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """host or host:port, as a Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)


class Endpoint(Value):
    """`name` is what people call the registry (docker.io, [::1]:5000). `fallback`: plain HTTP may be tried when TLS is not spoken."""

    name: str
    origin: Origin
    fallback: bool = False

    @property
    def plain(self) -> Endpoint:
        """The same registry without TLS."""
        origin = self.origin
        port = 80 if origin.port == 443 else origin.port
        return Endpoint(name=self.name, origin=Origin(scheme="http", host=origin.host, port=port))


def split(repository: str) -> tuple[str, str]:
    """The registry and the repository's name there: base -> docker.io, library/base; quay.io/me/app -> quay.io, me/app."""
    host, slash, path = repository.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost" or host != host.lower()):
        host, path = HUB, repository
    if host in _HUB_HOSTS:
        return HUB, path if "/" in path else f"library/{path}"
    return host, path


def endpoint(registry: object, *, plain_http: bool = False, option: str = "registry") -> Endpoint:
    """Where to ask `registry`: host, host:port or a URL of these. InvalidSpec.

    TLS, unless the URL says http or `plain_http` is true; a loopback address that speaks no TLS may be asked without.
    """
    if not isinstance(registry, str) or not registry:
        raise InvalidSpec(f"{option}: {registry!a} is no registry: write a host, such as quay.io or localhost:5000")
    scheme, mark, rest = registry.partition("://")
    if not mark:
        scheme, rest = "http" if plain_http else "https", registry
    rest = rest.removesuffix("/")
    if scheme not in _PORTS or "/" in rest or "@" in rest or not rest:
        raise InvalidSpec(
            f"{option}: {registry[:80]!a} is no registry: write a host, such as quay.io, localhost:5000 or https://mirror.example"
        )
    host, port = _host_port(rest, option)
    name = HUB if host in _HUB_HOSTS else rest
    origin = Origin(scheme=scheme, host=_HUB_SERVER if name == HUB else host, port=port or _PORTS[scheme])
    return Endpoint(name=name, origin=origin, fallback=not mark and scheme == "https" and origin.is_loopback)


def parse_url(url: str) -> tuple[Origin, str]:
    """The origin and the path with the query of an absolute http or https URL; a fragment is cut off. ValueError."""
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    if not mark or scheme not in _PORTS or not (url.isascii() and url.isprintable()) or " " in url or "\\" in url:
        raise ValueError("no absolute http or https URL")
    rest = rest.partition("#")[0]
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    netloc, path = rest[:end], rest[end:]
    if "@" in netloc:
        raise ValueError("a URL with a user name in it")
    try:
        host, port = _host_port(netloc, "URL")
    except InvalidSpec as error:
        raise ValueError(str(error)) from None
    return Origin(scheme=scheme, host=host, port=port or _PORTS[scheme]), path if path.startswith("/") else f"/{path}"


def is_loopback(host: str) -> bool:
    """Whether `host` (an IPv6 address without brackets) is this host by its very name, without asking DNS."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    if ":" in host:
        import ipaddress

        try:
            return ipaddress.IPv6Address(host).is_loopback
        except ValueError:
            return False
    parts = host.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isdigit() and int(part) < 256 for part in parts)


def _host_port(text: str, option: str) -> tuple[str, int]:
    """The host in lower case, and the port or 0."""
    host, port = text, ""
    if text.startswith("["):
        host, bracket, tail = text[1:].partition("]")
        good = bool(bracket) and ":" in host and _ADDRESS.issuperset(host.lower()) and tail[:1] in ("", ":")
        port = tail[1:]
        good = good and (not tail or bool(port))
    else:
        host, colon, port = text.partition(":")
        good = bool(host) and _HOST.issuperset(host.lower()) and bool(port) == bool(colon)
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    if not good or (port and not 0 < number < 65536):
        raise InvalidSpec(f"{option}: {text[:80]!a} is no host: write a host or host:port, such as localhost:5000")
    return host.lower(), number
