# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to urllib3: pools of connections, directly or through the proxy that the environment names."""

from __future__ import annotations

import sys
from _thread import allocate_lock

from .. import packed
from ..errors import InvalidSpec, MissingDependency
from .proxies import proxy_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from typing import Any

    from .endpoint import Origin


def open_pool(origin: Origin, context: ssl.SSLContext | None, environment: Mapping[str, str]) -> Any:
    """A pool to `origin`; it has a context when it speaks TLS. InvalidSpec for a proxy that is none."""
    door = open_door()
    if context and not context.verify_mode:
        import warnings

        # The user has said so; stderr is not for repeating it.
        warnings.simplefilter("ignore", door.errors.InsecureRequestWarning)
    secure: dict[str, Any] = {"ssl_context": context} if context else {}
    proxy = proxy_for(origin, environment)
    if not proxy:
        kind = door.https if context else door.http
        return kind(f"[{origin.host}]" if ":" in origin.host else origin.host, origin.port, maxsize=8, **secure)
    address, headers = _read_proxy(proxy)
    from urllib3 import ProxyManager

    manager = ProxyManager(address, proxy_headers=headers, maxsize=8, **secure)
    pool = manager.connection_from_host(origin.host, origin.port, origin.scheme)
    return pool if context else _Absolute(pool, origin)


class _Absolute:
    """A pool at a proxy for plain HTTP: its request line names the host too (RFC 9112, 3.2.2)."""

    def __init__(self, pool: Any, origin: Origin) -> None:
        self._pool, self._origin = pool, origin

    def request(self, method: str, path: str, *, headers: dict[str, str], **options: Any) -> Any:
        return self._pool.request(
            method, f"{self._origin}{path}", headers={"Host": self._origin.netloc, **headers}, **options
        )


_door: _Door | None = None
_opening = allocate_lock()


def is_open() -> bool:
    """Whether urllib3 is loaded, so that all may go by it."""
    return _door is not None


def open_door() -> Any:
    """The parts of urllib3 that are used here, imported once. MissingDependency."""
    global _door
    with _opening:
        if _door is None:
            packed.add(packed.HTTP)
            _door = _load()
        return _door


def _load() -> _Door:
    """Empty packages stand in for urllib3 and its http2 meanwhile: their own __init__ import a quarter more, for nothing."""
    there = {name: sys.modules.get(name) for name in ("urllib3", "urllib3.http2")}
    try:
        if not any(there.values()):
            home = _home("urllib3")
            for name, paths in (("urllib3", home), ("urllib3.http2", [f"{path}/http2" for path in home])):
                stand_in: Any = type(sys)(name)
                stand_in.__path__ = paths
                sys.modules[name] = stand_in
        return _Door()
    except ImportError:
        raise MissingDependency(
            "registries need the Python package urllib3 on this host: install it, or let Ansible bring the engine"
        ) from None
    finally:
        if not any(there.values()):
            for name in there:
                sys.modules.pop(name, None)


class _Door:
    def __init__(self) -> None:
        import logging

        from urllib3 import connectionpool, exceptions
        from urllib3.util import timeout

        # What it has to say comes to us as an exception.
        logging.getLogger("urllib3").addHandler(logging.NullHandler())
        self.errors: Any = exceptions
        self.http: Any = connectionpool.HTTPConnectionPool
        self.https: Any = connectionpool.HTTPSConnectionPool
        self.timeout: Any = timeout.Timeout


def _home(name: str) -> list[str]:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, None)
        if spec is not None and spec.submodule_search_locations:
            return list(spec.submodule_search_locations)
    raise ImportError(name)


def _read_proxy(proxy: str) -> tuple[str, dict[str, str]]:
    """The proxy's address without the user, and the headers that name the user. InvalidSpec."""
    from urllib.parse import unquote

    from urllib3 import make_headers

    scheme, _mark, rest = proxy.partition("://")
    secret, at, place = rest.rpartition("@")
    if scheme not in ("http", "https"):
        raise InvalidSpec(f"the proxy in the environment is of the kind {scheme!a}: http and https are known")
    return f"{scheme}://{place}", dict(make_headers(proxy_basic_auth=unquote(secret))) if at else {}
