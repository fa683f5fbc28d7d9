# SPDX-License-Identifier: GPL-3.0-or-later
"""One blob on its way into a registry: in one piece, and after a break by chunks, from where the registry says that it is."""

from __future__ import annotations

from ..errors import EngineError, Refused
from .client import push_scope, show
from .faults import Broken
from .headers import resolve
from .sentences import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .client import Client
    from .endpoint import Origin
    from .transport import Readable, Reply

CHUNK = 16 << 20
_TOO_LARGE = 413
_FORGOTTEN = (404, 416)
_BYTES = {"Content-Type": "application/octet-stream"}


class Session:
    """An upload that the registry has opened: where it goes on, and how many bytes it has."""

    __slots__ = ("done", "origin", "path")

    def __init__(self, origin: Origin, path: str) -> None:
        self.origin, self.path, self.done = origin, path, 0


class Sending:
    """A blob of `size` bytes; `open_from(offset)` gives its file from there on, each time anew.

    A chunk that got there need not go again. Of a chunk that was cut some registries keep what came and others forget the
    whole upload (distribution 2.8 does), so each is small beside what it may cost.
    """

    def __init__(
        self, client: Client, repository: str, digest: str, size: int, open_from: Callable[[int], Readable]
    ) -> None:
        self._client, self._repository, self._digest, self._size = client, repository, digest, size
        self._open_from = open_from
        self._scope, self._what = push_scope(repository), show(repository, digest)
        self._session: Session | None = None
        self._by_chunks, self._refused = False, -1

    @property
    def done(self) -> int:
        """How many bytes the registry is known to have."""
        return self._session.done if self._session else 0

    def send(self) -> Reply:
        """Send what is missing; the registry's last answer, whatever it is. Broken."""
        if self._session is None:
            self._session = open_session(self._client, self._repository)
            if not self._by_chunks:
                reply = self._put_whole(self._session)
                if reply.status != _TOO_LARGE:
                    return reply
                # Too large for what stands before the registry.
                reply.close()
                self._by_chunks, self._session = True, open_session(self._client, self._repository)
        return self._put_rest(self._session)

    def look(self) -> None:
        """After a break: ask how much the registry has. Where it does not know, the next `send` begins anew."""
        session, self._session = self._session, None
        self._by_chunks = self._size > CHUNK
        if session is None:
            return
        try:
            reply = self._client.ask("GET", session.path, self._scope, self._what, origin=session.origin)
            reply.drain()
            done = _held(reply) if reply.status in (202, 204) else -1
            # Whoever did not want it there will not want it there again, whatever he says.
            if 0 <= done <= self._size and done != self._refused:
                self._session = session
                self._move(session, done, reply)
        except EngineError:
            self._session = None

    def _put_whole(self, session: Session) -> Reply:
        return self._client.ask(
            "PUT", with_digest(session.path, self._digest), self._scope, self._what, _BYTES, origin=session.origin,
            body=lambda: self._open_from(0), length=self._size, tries=1,
        )  # fmt: skip

    def _put_rest(self, session: Session) -> Reply:
        while session.done < self._size:
            self._put_chunk(session)
        reply = self._client.ask(
            "PUT", with_digest(session.path, self._digest), self._scope, self._what, origin=session.origin, tries=1
        )
        self._check_known(session, reply)
        return reply

    def _put_chunk(self, session: Session) -> None:
        start = session.done
        length = min(CHUNK, self._size - start)
        reply = self._client.ask(
            "PATCH", session.path, self._scope, self._what, {**_BYTES, "Content-Range": f"{start}-{start + length - 1}"},
            origin=session.origin, body=lambda: _Part(self._open_from(start), length), length=length, tries=1,
        )  # fmt: skip
        self._check_known(session, reply)
        expect(self._client, reply, 202, self._what)
        held = _held(reply)
        self._move(session, held if start < held < start + length else start + length, reply)

    def _move(self, session: Session, done: int, reply: Reply) -> None:
        session.done = done
        if reply.header("Location"):
            session.origin, session.path = location(session.origin, session.path, reply)

    def _check_known(self, session: Session, reply: Reply) -> None:
        if reply.status in _FORGOTTEN:
            self._refused = session.done
            reply.drain()
            raise Broken(f"it ended the upload with status {reply.status}")


class _Part:
    """The first `length` bytes of a file."""

    def __init__(self, file: Readable, length: int) -> None:
        self._file, self._left = file, length

    def read(self, most: int = -1) -> bytes:
        """Some of it, at most what is left."""
        data = self._file.read(min(most, self._left) if most >= 0 else self._left)[: self._left] if self._left else b""
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Harmless twice."""
        self._file.close()


def open_session(client: Client, repository: str) -> Session:
    """A new upload."""
    path = f"/v2/{repository}/blobs/uploads/"
    reply = client.ask("POST", path, push_scope(repository), repository)
    expect(client, reply, 202, repository)
    return Session(*location(client.endpoint.origin, path, reply))


def location(origin: Origin, path: str, reply: Reply) -> tuple[Origin, str]:
    """Where an answer says that the upload goes on. Refused."""
    place = reply.header("Location")
    found = resolve(origin, path, place)
    if not place or (origin.scheme == "https" and found[0].scheme != "https"):
        raise Refused(f"{origin.netloc} tells no safe place for an upload: {place[:80]!a}")
    return found


def with_digest(path: str, digest: str) -> str:
    """The place of the request that ends an upload."""
    return f"{path}{'&' if '?' in path else '?'}digest={digest}"


def expect(client: Client, reply: Reply, status: int, what: str) -> None:
    """Done with an answer that has this status; any other is raised as a sentence."""
    if reply.status != status:
        raise refusal(client.name, what, reply, known=True)
    reply.drain()


def _held(reply: Reply) -> int:
    """The bytes that the registry has, by the Range 0-<last> of its answer; -1 for no such. For none some say 0-0, as for one."""
    start, dash, last = reply.header("Range").strip().removeprefix("bytes=").partition("-")
    if start != "0" or not dash or not (last.isascii() and last.isdigit()) or len(last) > 18:
        return -1
    return int(last) + 1 if int(last) else 0
