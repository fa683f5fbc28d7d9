# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to HTTP, and to urllib3: what breaks is tried again a bounded number of times, and a secret stays with its origin."""

from __future__ import annotations

import os
import sys
import time
import warnings

from .. import packed
from ..errors import EngineError, InvalidSpec, MissingDependency, Refused, Unreachable
from ..values import Value
from .faults import Broken, NoConnection, NoTLS, is_distrust, reason, sentence, tls_sentence
from .headers import resolve, retry_after
from .proxies import proxy_for
from .tls import ALL, LAZY, NONE, open_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping
    from typing import Any, Callable, Protocol, Union

    from .endpoint import Origin
    from .tls import Trust

    class Readable(Protocol):
        """What of a file an upload needs."""

        def read(self, most: int = -1) -> bytes: ...
        def close(self) -> None: ...

    Body = Union[bytes, Callable[[], Readable], None]

PIECE = 1 << 18
BUSY = (408, 429, 500, 502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)


class Patience(Value):
    """Seconds and numbers. `longest` is the longest pause that a registry may ask for; after `total` nothing is tried again."""

    tries: int = 5
    connect: float = 15.0
    read: float = 30.0
    pause: float = 0.5
    longest: float = 60.0
    total: float = 180.0
    redirects: int = 5


class Request(Value):
    """`authorization` goes to `origin` only, wherever a redirect may lead. A `body` that is called gives a fresh file each time."""

    method: str
    origin: Origin
    path: str
    headers: dict[str, str] = {}
    authorization: str = ""
    body: Body = None
    length: int = 0
    tries: int = 0


class Reply:
    """A status and headers; the body is still to be read, once, by one of the three ways, or `close` it."""

    def __init__(self, response: Any, request: Request) -> None:
        self._response, self._origin = response, request.origin
        self.status: int = response.status
        self.request = request

    def header(self, name: str) -> str:
        """The header's value, "" when there is none."""
        return str(self._response.headers.get(name, ""))

    def pieces(self) -> Iterator[bytes]:
        """The body as it is stored, by pieces of at most 256 KiB, each as soon as some of it is there. Broken."""
        errors = open_door().errors
        try:
            while data := self._response.read1(PIECE, decode_content=False):
                yield data
        except (errors.HTTPError, OSError) as error:
            raise Broken(f"the connection to {self._origin.netloc} broke: {reason(error)}") from None
        finally:
            self.close()

    def body(self, most: int, what: str) -> bytes:
        """The whole of a small body. Refused when it is longer than `most`; Broken."""
        found = bytearray()
        for piece in self.pieces():
            found += piece
            if len(found) > most:
                raise Refused(f"{what} from {self._origin.netloc} has more than {most} bytes: that many are read")
        return bytes(found)

    def drain(self) -> None:
        """Read a short rest, so that the connection can be used again."""
        try:
            self.body(1 << 16, "the rest")
        except EngineError:
            self.close()

    def close(self) -> None:
        """Harmless twice. A connection whose body was not read to its end is given up."""
        self._response.close()


class _Seen(Reply):
    """What a HEAD brought without urllib3: nothing is left to read."""

    def pieces(self) -> Iterator[bytes]:
        return iter(())


class Transport:
    """Connections that are kept between requests; after a fork each process has its own."""

    def __init__(
        self, trust: Trust, environment: Mapping[str, str], *, patience: Patience | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:  # fmt: skip
        self._trust, self._environment, self._sleep = trust, environment, sleep
        self.patience = patience or Patience()
        self._pools: dict[str, Any] = {}
        self._pid = os.getpid()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lazy = True

    def ask(self, request: Request) -> Reply:
        """Carry out `request`; redirects are followed. Whatever status comes in the end is given, those that say "later" too.

        Unreachable after at most `tries` tries, Broken after a single one, Refused for a redirect that leads in circles or out of TLS.
        """
        most = request.tries or self.patience.tries
        end = time.monotonic() + self.patience.total
        tried = 0
        while True:
            tried += 1
            try:
                reply = self._follow(request)
            except Broken as error:
                few = 2 if isinstance(error, NoConnection) else most
                if tried >= min(few, most) or time.monotonic() > end:
                    if most == 1:
                        raise
                    raise Unreachable(f"{error}{f' (tried {tried} times)' if tried > 1 else ''}") from None
                self.pause(tried)
                continue
            if reply.status not in BUSY or tried >= most or time.monotonic() > end:
                return reply
            wait = retry_after(reply.header("Retry-After"), time.time())
            if wait is not None and wait > self.patience.longest:
                return reply
            reply.drain()
            self.pause(tried) if wait is None else self._sleep(wait)

    def pause(self, tried: int) -> None:
        """Wait before another try, longer each time."""
        # A little of chance, so that a group of hosts does not come back in one moment.
        self._sleep(self.patience.pause * 2.0 ** (tried - 1) * (1 + os.urandom(1)[0] / 1024))

    def _follow(self, request: Request) -> Reply:
        now = request
        for _unused in range(self.patience.redirects + 1):
            reply = self._once(now)
            location = reply.header("Location")
            if (
                reply.status not in _REDIRECTS
                or not location
                or (now.method not in ("GET", "HEAD") and reply.status < 307)
            ):
                return reply
            reply.drain()
            origin, path = resolve(now.origin, now.path, location)
            if now.origin.scheme == "https" and origin.scheme != "https":
                raise Refused(f"{now.origin.netloc} redirects from https to {origin}: that would not be private")
            # Once it has left its origin, a secret is not shown again, not even on the way back.
            now = now.replace(origin=origin, path=path, authorization=now.authorization if origin == now.origin else "")
        raise Refused(
            f"{request.origin.netloc} redirects more than {self.patience.redirects} times: look at its settings"
        )

    def _once(self, request: Request) -> Reply:
        headers = {"User-Agent": "berth", "Accept-Encoding": "identity", **request.headers}
        if request.authorization:
            headers["Authorization"] = request.authorization
        seen = self._glance(request, headers) if request.method == "HEAD" and _door is None else None
        return _Seen(seen, request) if seen else self._ask(request, headers)

    def _glance(self, request: Request, headers: dict[str, str]) -> Any:
        """The answer to a HEAD without the help of urllib3, None when there is none. NoTLS."""
        from .glance import glance

        origin = request.origin
        try:
            return glance(
                origin, request.path, headers, context=lambda: self._tls(origin), environment=self._environment,
                seconds=self.patience.connect,
            )  # fmt: skip
        except OSError as error:
            fault = tls_sentence(error, origin.netloc)
            if isinstance(fault, NoTLS):
                raise fault from None
        return None

    def _ask(self, request: Request, headers: dict[str, str]) -> Reply:
        door = open_door()
        body: Any = request.body() if callable(request.body) else request.body
        if callable(request.body):
            headers["Content-Length"] = str(request.length)
        try:
            response = self._pool(request.origin).request(
                request.method, request.path, body=body, headers=headers, retries=False, redirect=False, timeout=door.timeout(
                    connect=self.patience.connect, read=self.patience.read
                ), preload_content=False, assert_same_host=False, decode_content=False,
            )  # fmt: skip
        except (door.errors.HTTPError, OSError) as error:
            if self._lazy and is_distrust(error):
                self._lazy, self._pools = False, {}
                return self._ask(request, headers)
            raise sentence(error, request.origin, self.patience, door.errors) from None
        finally:
            if callable(request.body):
                body.close()
        return Reply(response, request)

    def _pool(self, origin: Origin) -> Any:
        if self._pid != os.getpid():
            self._pools, self._pid = {}, os.getpid()
        key = str(origin)
        if key not in self._pools:
            self._pools[key] = self._open_pool(origin)
        return self._pools[key]

    def _open_pool(self, origin: Origin) -> Any:
        door = open_door()
        if not self._trust.validate_certs:
            # The user has said so; stderr is not for repeating it.
            warnings.simplefilter("ignore", door.errors.InsecureRequestWarning)
        secure: dict[str, Any] = {"ssl_context": self._tls(origin)} if origin.scheme == "https" else {}
        proxy = proxy_for(origin, self._environment)
        if not proxy:
            kind = door.https if origin.scheme == "https" else door.http
            return kind(f"[{origin.host}]" if ":" in origin.host else origin.host, origin.port, maxsize=8, **secure)
        address, headers = _read_proxy(proxy)
        from urllib3 import ProxyManager

        manager = ProxyManager(address, proxy_headers=headers, maxsize=8, **secure)
        pool = manager.connection_from_host(origin.host, origin.port, origin.scheme)
        return _Absolute(pool, origin) if origin.scheme == "http" else pool

    def _tls(self, origin: Origin) -> ssl.SSLContext:
        # Nobody's CA signs for loopback but the user's own.
        host_cas = ALL if not self._lazy else NONE if origin.is_loopback else LAZY
        if host_cas not in self._contexts:
            self._contexts[host_cas] = open_context(self._trust, host_cas)
        return self._contexts[host_cas]


class _Absolute:
    """A pool at a proxy for plain HTTP: its request line names the host too (RFC 9112, 3.2.2)."""

    def __init__(self, pool: Any, origin: Origin) -> None:
        self._pool, self._origin = pool, origin

    def request(self, method: str, path: str, *, headers: dict[str, str], **options: Any) -> Any:
        return self._pool.request(
            method, f"{self._origin}{path}", headers={"Host": self._origin.netloc, **headers}, **options
        )


_door: _Door | None = None


def open_door() -> Any:
    """The parts of urllib3 that are used here, imported once.

    Empty packages stand in for urllib3 and its http2 meanwhile: their own __init__ import a quarter more, for nothing.
    """
    global _door
    if _door is None:
        packed.install_http()
        there = {name: sys.modules.get(name) for name in ("urllib3", "urllib3.http2")}
        try:
            if not any(there.values()):
                home = _home("urllib3")
                for name, paths in (("urllib3", home), ("urllib3.http2", [f"{path}/http2" for path in home])):
                    stand_in: Any = type(sys)(name)
                    stand_in.__path__ = paths
                    sys.modules[name] = stand_in
            _door = _Door()
        except ImportError:
            raise MissingDependency(
                "registries need the Python package urllib3 on this host: install it, or let Ansible bring the engine"
            ) from None
        finally:
            if not any(there.values()):
                for name in there:
                    sys.modules.pop(name, None)
    return _door


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
