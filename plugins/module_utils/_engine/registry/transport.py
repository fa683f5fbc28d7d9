# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to HTTP: what breaks is tried again a bounded number of times, and a secret stays with its origin."""

from __future__ import annotations

import os
import time

from ..errors import EngineError, Refused, Unreachable
from ..values import Value
from .faults import Broken, NoConnection, broken, is_distrust, is_late, reason, sentence
from .glance import Glances
from .headers import resolve, retry_after
from .pools import is_open, open_door, open_pool
from .proxies import proxy_for
from .tls import ALL, LAZY, NONE, open_context
from .wire import NotAsked, Unusual

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping
    from typing import Any, Callable, Protocol, Union

    from .endpoint import Origin
    from .tls import Trust
    from .wire import Answer

    class Readable(Protocol):
        """What of a file an upload needs."""

        def read(self, most: int = -1) -> bytes: ...
        def close(self) -> None: ...

    Body = Union[bytes, Callable[[], Readable], None]

PIECE = 1 << 18
SMALL = 4 << 20
BUSY = (408, 429, 500, 502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)


class Patience(Value):
    """Seconds and numbers. `longest` is the longest pause that a registry may ask for; after `total` nothing is tried again."""

    tries: int = 5
    connect: float = 15.0
    read: float = 30.0
    glance: float = 2.0
    pause: float = 0.5
    longest: float = 60.0
    total: float = 180.0
    redirects: int = 5


class Request(Value):
    """`authorization` goes to `origin` only, wherever a redirect may lead. A `body` that is called gives a fresh file each time.

    `short`: so will be the answer to this GET. The answers to all else are short.
    """

    method: str
    origin: Origin
    path: str
    headers: dict[str, str] = {}
    authorization: str = ""
    body: Body = None
    length: int = 0
    tries: int = 0
    short: bool = False

    @property
    def is_small(self) -> bool:
        """Whether both it and its answer can be held in memory."""
        size = len(self.body) if isinstance(self.body, bytes) else self.length
        return size <= SMALL and (self.short or self.method != "GET")

    def whole_body(self) -> bytes:
        """What is to be sent. Damaged, as its file may be."""
        if not callable(self.body):
            return self.body or b""
        file = self.body()
        try:
            return b"".join(iter(file.read, b""))
        finally:
            file.close()


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
    """What came without urllib3, whole."""

    def __init__(self, answer: Answer, request: Request) -> None:
        super().__init__(answer, request)
        self._answer = answer

    def header(self, name: str) -> str:
        return self._answer.headers.get(name.lower(), "")

    def pieces(self) -> Iterator[bytes]:
        yield self._answer.body

    def close(self) -> None:
        """There is nothing to close."""


class Transport:
    """Connections that are kept between requests; after a fork each process has its own."""

    def __init__(
        self, trust: Trust, environment: Mapping[str, str], *, patience: Patience | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:  # fmt: skip
        self._trust, self._environment, self._sleep = trust, environment, sleep
        self.patience = patience or Patience()
        self._pools: dict[str, Any] = {}
        self._glances = Glances(self.patience.connect)
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

    def ask_in_plain(self, request: Request) -> Reply | None:
        """What comes to a HEAD without TLS and without a secret, once and at once; None for nothing, or when TLS is clearly meant.

        Whoever speaks TLS ends such a connection, or answers that he does.
        """
        if request.method != "HEAD" or self._trust.ca_cert or self._trust.client_cert:
            return None
        try:
            return self._glance(request.replace(authorization=""), self.patience.glance)
        except Broken:
            return None

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
        return self._glance(request, self.patience.read) or self._ask(request)

    def _glance(self, request: Request, seconds: float) -> Reply | None:
        """The answer to what is small, without the help of urllib3; None when that is wanted. Broken, NoTLS."""
        if is_open() or not request.is_small or proxy_for(request.origin, self._environment):
            return None
        body, headers = request.whole_body(), _headers(request)
        if callable(request.body) and len(body) != request.length:
            return None
        if request.method not in ("GET", "HEAD"):
            headers["Content-Length"] = str(len(body))
        self._leave_to_parent()
        try:
            answer = self._glances.ask(
                request.origin, request.method, request.path, headers, body, lambda: self._tls(request.origin), seconds
            )
        except NotAsked:
            return None
        except (OSError, Unusual) as error:
            # To ask once more for what changes nothing does no harm, and tells more; but not to wait once more.
            if request.method in ("GET", "HEAD") and not is_late(error):
                return None
            raise broken(error, request.origin, self.patience) from None
        return _Seen(answer, request)

    def _ask(self, request: Request) -> Reply:
        door, headers = open_door(), _headers(request)
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
                return self._ask(request)
            raise sentence(error, request.origin, self.patience, door.errors) from None
        finally:
            if callable(request.body):
                body.close()
        return Reply(response, request)

    def _pool(self, origin: Origin) -> Any:
        self._leave_to_parent()
        key = str(origin)
        if key not in self._pools:
            context = self._tls(origin) if origin.scheme == "https" else None
            self._pools[key] = open_pool(origin, context, self._environment)
        return self._pools[key]

    def _leave_to_parent(self) -> None:
        """After a fork, connections that were there before it."""
        if self._pid != os.getpid():
            self._pools, self._glances, self._pid = {}, Glances(self.patience.connect), os.getpid()

    def _tls(self, origin: Origin) -> ssl.SSLContext:
        # Nobody's CA signs for loopback but the user's own.
        host_cas = ALL if not self._lazy else NONE if origin.is_loopback else LAZY
        if host_cas not in self._contexts:
            self._contexts[host_cas] = open_context(self._trust, host_cas)
        return self._contexts[host_cas]


def _headers(request: Request) -> dict[str, str]:
    secret = {"Authorization": request.authorization} if request.authorization else {}
    return {"User-Agent": "berth", "Accept-Encoding": "identity", **request.headers, **secret}
