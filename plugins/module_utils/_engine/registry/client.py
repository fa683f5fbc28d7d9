# SPDX-License-Identifier: GPL-3.0-or-later
"""One registry, asked as the OCI distribution spec says: manifests and blobs come out as they are stored, and whole."""

from __future__ import annotations

import time

from ..digests import is_digest, sha256
from ..errors import Refused, Unreachable
from ..mediatypes import DOCUMENT, INDEXES, MANIFESTS
from ..values import Value
from .auth import Keys
from .faults import Broken, NoTLS
from .sentences import refusal
from .transport import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Callable

    from .auth import Credentials
    from .endpoint import Endpoint, Origin
    from .transport import Body, Reply, Transport

# A try that brought this much is not counted: whoever sends that much between two breaks gets us to the end.
_WORTH = 1 << 20
# Less than this in that many seconds is as good as a break.
_FLOOR, _WINDOW = 1 << 16, 60.0


class Document(Value):
    """A manifest or an index, byte for byte; `digest` is what its bytes have."""

    data: bytes
    media_type: str
    digest: str


class Head(Value):
    """What a HEAD tells of a manifest."""

    media_type: str
    digest: str
    size: int


class Client:
    """Asks one registry. After a fork each process has connections of its own, and what was learnt so far.

    Errors: NotFound, NotPermitted (credentials), Refused (broken or hostile answers), Unreachable.
    """

    def __init__(
        self, endpoint: Endpoint, credentials: Credentials, transport: Transport, *,
        clock: Callable[[], float] = time.monotonic, window: float = _WINDOW,
    ) -> None:  # fmt: skip
        self.endpoint, self._credentials, self._transport = endpoint, credentials, transport
        self._clock, self._window = clock, window
        self._keys = Keys(endpoint, credentials, transport, clock=clock)
        self._was_asked = False

    @property
    def name(self) -> str:
        """The registry's name, as people write it."""
        return self.endpoint.name

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._keys.warnings)

    def check_login(self) -> None:
        """Return when the registry takes the credentials, or wants none."""
        reply = self.ask("GET", "/v2/", "", "registry")
        reply.drain()
        if reply.status != 200:
            raise refusal(self.name, "", reply)

    def head(self, repository: str, reference: str) -> Head | None:
        """What a tag or digest means there, without fetching it; None when the registry has it not, or tells no digest."""
        what = show(repository, reference)
        reply = self.ask("HEAD", f"/v2/{repository}/manifests/{reference}", pull_scope(repository), what, _ACCEPT)
        reply.drain()
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise refusal(self.name, what, reply)
        digest, size = reply.header("Docker-Content-Digest"), reply.header("Content-Length")
        if not is_digest(digest) or (is_digest(reference) and digest != reference):
            return None
        return Head(
            media_type=_media_type(reply), digest=digest, size=int(size) if size.isascii() and size.isdigit() else 0
        )

    def manifest(self, repository: str, reference: str) -> Document:
        """The manifest or index that a tag or digest means there, at most 4 MiB, with its digest verified."""
        what = show(repository, reference)
        for tried in range(1, self._transport.patience.tries + 1):
            reply = self.ask("GET", f"/v2/{repository}/manifests/{reference}", pull_scope(repository), what, _ACCEPT)
            if reply.status != 200:
                raise refusal(self.name, what, reply)
            told, media_type = reply.header("Docker-Content-Digest"), _media_type(reply)
            try:
                data = reply.body(DOCUMENT, f"manifest {what}")
                break
            except Broken as error:
                if tried == self._transport.patience.tries:
                    raise Unreachable(f"registry {self.name}, {what}: {error} (tried {tried} times)") from None
        digest = sha256(data)
        wanted = reference if is_digest(reference) else told
        if wanted and wanted != digest:
            raise Refused(
                f"registry {self.name} sends for {what} a manifest with the digest {digest}, not {wanted[:71]!a}"
            )
        return Document(data=data, media_type=media_type, digest=digest)

    def blob(self, repository: str, digest: str, size: int, *, start: int = 0) -> Iterator[bytes]:
        """The bytes of a blob of exactly `size` from `start` on, in order. After a break it goes on where it was, by Range.

        The digest is for the caller to verify. Unreachable when five tries in a row bring too little.
        """
        done, tried = start, 0
        while True:
            before = done
            try:
                for piece in self._pieces(repository, digest, size, done):
                    done += len(piece)
                    if done > size:
                        raise Refused(f"registry {self.name} sends more than the {size} bytes of blob {digest}")
                    yield piece
                if done == size:
                    return
                raise Broken(f"registry {self.name} sends {done} of the {size} bytes of blob {digest}")
            except Broken as error:
                tried = 1 if done - before >= _WORTH else tried + 1
                if tried >= self._transport.patience.tries:
                    raise Broken(
                        f"registry {self.name}: {error}: blob {digest} came to {done} of {size} bytes"
                    ) from None
                self.pause(tried)

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether the registry has that blob in that repository."""
        reply = self.ask("HEAD", f"/v2/{repository}/blobs/{digest}", push_scope(repository), digest)
        reply.drain()
        if reply.status not in (200, 404):
            raise refusal(self.name, show(repository, digest), reply)
        return reply.status == 200

    def ask(
        self, method: str, path: str, scope: str, what: str, headers: dict[str, str] | None = None, *,
        origin: Origin | None = None, body: Body = None, length: int = 0, tries: int = 0,
    ) -> Reply:  # fmt: skip
        """Ask with what opens the registry; a 401 is answered once. NotPermitted after that. Another `origin` is shown nothing."""
        request = Request(
            method=method, origin=origin or self.endpoint.origin, path=path, headers=headers or {}, body=body, length=length,
            tries=tries,
        )  # fmt: skip
        reply = self._send(request, scope)
        if reply.status == 401:
            reply.drain()
            if origin not in (None, self.endpoint.origin) or not self._keys.learn(reply, self.endpoint.origin, scope):
                raise refusal(self.name, what, reply, known=bool(self._credentials))
            reply = self._send(request.replace(origin=origin or self.endpoint.origin), scope)
        if reply.status in (401, 403):
            raise refusal(self.name, what, reply, known=bool(self._credentials))
        return reply

    def pause(self, tried: int) -> None:
        """Wait before another try."""
        self._transport.pause(tried)

    def _send(self, request: Request, scope: str) -> Reply:
        if request.origin == self.endpoint.origin and not self._was_asked:
            self._was_asked = True
            if reply := self._ask_in_plain(request):
                return reply
        known = self._keys.header(scope) if request.origin == self.endpoint.origin else ""
        try:
            return self._transport.ask(request.replace(authorization=known))
        except NoTLS:
            if not self.endpoint.fallback or request.origin != self.endpoint.origin:
                raise
        self._do_without_tls()
        return self._transport.ask(request.replace(origin=self.endpoint.origin))

    def _ask_in_plain(self, request: Request) -> Reply | None:
        """What a registry at loopback answers that speaks no TLS, as hardly one there does: to load TLS takes longer than to ask."""
        plain = self.endpoint.plain.origin
        if not self.endpoint.fallback or plain.port != self.endpoint.origin.port:
            return None
        reply = self._transport.ask_in_plain(request.replace(origin=plain))
        if reply is None or not _is_of_a_registry(reply):
            return None
        self._do_without_tls()
        return reply

    def _do_without_tls(self) -> None:
        self.endpoint = self.endpoint.plain
        self._keys = Keys(self.endpoint, self._credentials, self._transport, clock=self._clock)

    def _pieces(self, repository: str, digest: str, size: int, done: int) -> Iterator[bytes]:
        headers = {"Range": f"bytes={done}-"} if done else {}
        reply = self.ask("GET", f"/v2/{repository}/blobs/{digest}", pull_scope(repository), digest, headers)
        if reply.status == 206 and done:
            if not reply.header("Content-Range").startswith(f"bytes {done}-"):
                raise Refused(f"registry {self.name} sends another part of blob {digest} than the one asked for")
            skip = 0
        elif reply.status == 200:
            skip = done  # no ranges there: what is known already is read over
        else:
            raise refusal(self.name, show(repository, digest), reply)
        length = reply.header("Content-Length")
        if length.isascii() and length.isdigit() and int(length) != size - done + skip:
            reply.close()
            raise Refused(
                f"registry {self.name} says that blob {digest} has {int(length) + done - skip} bytes, not {size}"
            )
        yield from _after(self._not_too_slow(reply), skip)

    def _not_too_slow(self, reply: Reply) -> Iterator[bytes]:
        start, came = self._clock(), 0
        for piece in reply.pieces():
            yield piece
            came += len(piece)
            now = self._clock()
            if now - start >= self._window:
                if came < _FLOOR:
                    reply.close()
                    raise Broken(f"{self.endpoint.origin.netloc} sent {came} bytes in {now - start:.0f} s")
                start, came = now, 0


def pull_scope(repository: str) -> str:
    """What a token must allow for reading."""
    return f"repository:{repository}:pull"


def push_scope(repository: str) -> str:
    """What a token must allow for writing."""
    return f"repository:{repository}:pull,push"


def show(repository: str, reference: str) -> str:
    """repository:tag or repository@digest, for sentences."""
    return f"{repository}{'@' if ':' in reference else ':'}{reference}"


_ACCEPT = {"Accept": ", ".join((*INDEXES, *MANIFESTS))}


def _is_of_a_registry(reply: Reply) -> bool:
    """Whether it is no answer of somebody who would rather speak TLS: they say 400, or lead elsewhere."""
    needed = {200: "Docker-Content-Digest", 401: "WWW-Authenticate", 404: "Docker-Distribution-Api-Version"}
    return reply.status in needed and bool(reply.header(needed[reply.status]))


def _media_type(reply: Reply) -> str:
    return reply.header("Content-Type").partition(";")[0].strip()


def _after(pieces: Iterator[bytes], skip: int) -> Iterator[bytes]:
    for piece in pieces:
        if skip >= len(piece):
            skip -= len(piece)
            continue
        yield piece[skip:]
        skip = 0
