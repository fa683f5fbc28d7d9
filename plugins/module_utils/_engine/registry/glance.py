# SPDX-License-Identifier: GPL-3.0-or-later
"""Short requests over connections of our own: often they are all that is needed, and urllib3 takes 40 ms to load.

Who can't be asked so, or answers strangely, is left to urllib3, which asks again and knows what to say.
"""

from __future__ import annotations

from ..kernel.sockets import IPPROTO_TCP, SOCK_CLOEXEC, SOCK_STREAM, TCP_NODELAY, Socket, addresses
from .faults import NoTLS, tls_sentence
from .wire import Answer, NotAsked, Wire, request_head

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Callable

    from .endpoint import Origin
    from .wire import Channel


class Glances:
    """Connections that are kept between requests, each used by one thread at a time. Not for use after a fork."""

    def __init__(self, connect: float) -> None:
        """`connect`: the seconds to wait for a connection."""
        self._connect = connect
        self._kept: dict[str, list[Wire]] = {}

    def ask(
        self, origin: Origin, method: str, path: str, headers: dict[str, str], body: bytes,
        context: Callable[[], ssl.SSLContext], seconds: float,
    ) -> Answer:  # fmt: skip
        """The answer within that many seconds. Redirects are not followed.

        NotAsked and NoTLS: nothing was sent. OSError and Unusual: nobody knows what became of the request.
        """
        head = request_head(method, path, {"Host": origin.netloc, **headers})
        wire = self._kept_to(origin) or Wire(self._open(origin, context))
        try:
            answer = wire.ask(head + body, bodiless=method == "HEAD", seconds=seconds)
        except BaseException:
            wire.close()
            raise
        if answer.keeps:
            self._kept.setdefault(str(origin), []).append(wire)
        else:
            wire.close()
        return answer

    def _kept_to(self, origin: Origin) -> Wire | None:
        kept = self._kept.get(str(origin), [])
        while kept:
            try:
                wire = kept.pop()
            except IndexError:
                break  # another thread was faster
            if wire.is_quiet():
                return wire
            wire.close()
        return None

    def _open(self, origin: Origin, context: Callable[[], ssl.SSLContext]) -> Channel:
        channel = self._reach(origin)
        if origin.scheme == "http":
            return channel
        import socket
        import ssl

        ours = context()
        known = socket.socket(fileno=channel.detach())
        known.settimeout(self._connect)
        try:
            return ours.wrap_socket(known, server_hostname=origin.host)
        except ssl.SSLError as error:
            known.close()
            fault = tls_sentence(error, origin.netloc)
            raise (fault if isinstance(fault, NoTLS) else NotAsked) from None
        except OSError:
            known.close()
            raise NotAsked from None

    def _reach(self, origin: Origin) -> Socket:
        try:
            found = addresses(origin.host, origin.port)
        except (OSError, UnicodeError):
            raise NotAsked from None
        for family, address in found:
            channel = Socket(family, SOCK_STREAM | SOCK_CLOEXEC)
            try:
                channel.settimeout(self._connect)
                channel.connect(address)
                channel.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
                return channel
            except OSError:
                channel.close()
        raise NotAsked
