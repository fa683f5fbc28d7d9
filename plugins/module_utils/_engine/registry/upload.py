# SPDX-License-Identifier: GPL-3.0-or-later
"""The other way: blobs and manifests into a registry. What is there is not sent, and what breaks is sent again."""

from __future__ import annotations

from ..errors import Refused, Unreachable
from .client import push_scope, show
from .faults import Broken
from .headers import resolve
from .sentences import refusal
from .transport import BUSY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .client import Client
    from .endpoint import Origin
    from .transport import Readable, Reply

_TRIES = 5
CHUNK = 16 << 20
_TOO_LARGE = 413


def mount(client: Client, repository: str, digest: str, source: str) -> bool:
    """Let the registry take a blob over from its repository `source`. False when it would rather have it sent."""
    path = f"/v2/{repository}/blobs/uploads/?mount={digest}&from={source}"
    reply = client.ask("POST", path, f"{push_scope(repository)} repository:{source}:pull", show(repository, digest))
    if reply.status == 202:
        # It has opened an upload instead, which nobody will use.
        _cancel(client, repository, reply)
        return False
    reply.drain()
    return reply.status == 201


def put_blob(client: Client, repository: str, digest: str, size: int, open_from: Callable[[int], Readable]) -> None:
    """Send a blob: in one piece, by chunks where that is too large for what stands before the registry.

    `open_from(offset)` gives its file from there on, each time anew. Unreachable after five tries.
    """
    for tried in range(1, _TRIES + 1):
        try:
            reply = _put_whole(client, repository, digest, size, open_from)
            if reply.status == _TOO_LARGE:
                reply.close()
                reply = _put_chunks(client, repository, digest, size, open_from)
            if reply.status not in BUSY or tried == _TRIES:
                _expect(client, reply, 201, show(repository, digest))
                return
            reply.close()
        except Broken as error:
            if client.has_blob(repository, digest):
                return  # only the answer was lost
            if tried == _TRIES:
                raise Unreachable(f"registry {client.name}: {error}: blob {digest} did not get there") from None
        client.pause(tried)


def put_manifest(client: Client, repository: str, reference: str, data: bytes, media_type: str, digest: str) -> None:
    """Send a manifest whose blobs are there, under a tag or its digest."""
    what = show(repository, reference)
    reply = client.ask(
        "PUT",
        f"/v2/{repository}/manifests/{reference}",
        push_scope(repository),
        what,
        {"Content-Type": media_type},
        body=data,
    )
    _expect(client, reply, 201, what)
    told = reply.header("Docker-Content-Digest")
    if told and told != digest:
        raise Refused(f"registry {client.name} says that {what} has the digest {told[:71]!a} and not {digest}")


def _put_whole(client: Client, repository: str, digest: str, size: int, open_from: Callable[[int], Readable]) -> Reply:
    origin, path = _open(client, repository)
    return client.ask(
        "PUT", _with_digest(path, digest), push_scope(repository), show(repository, digest), _BYTES,
        origin=origin, body=lambda: open_from(0), length=size, tries=1,
    )  # fmt: skip


def _put_chunks(client: Client, repository: str, digest: str, size: int, open_from: Callable[[int], Readable]) -> Reply:
    origin, path = _open(client, repository)
    scope, what = push_scope(repository), show(repository, digest)
    done = 0
    while done < size:
        file = open_from(done)
        try:
            data = file.read(CHUNK)
        finally:
            file.close()
        headers = {**_BYTES, "Content-Range": f"{done}-{done + len(data) - 1}"}
        reply = client.ask("PATCH", path, scope, what, headers, origin=origin, body=data, tries=1)
        _expect(client, reply, 202, what)
        done += len(data)
        origin, path = _location(origin, path, reply)
    return client.ask("PUT", _with_digest(path, digest), scope, what, origin=origin, tries=1)


def _open(client: Client, repository: str) -> tuple[Origin, str]:
    """Where an upload may go on."""
    path = f"/v2/{repository}/blobs/uploads/"
    reply = client.ask("POST", path, push_scope(repository), repository)
    _expect(client, reply, 202, repository)
    return _location(client.endpoint.origin, path, reply)


def _cancel(client: Client, repository: str, reply: Reply) -> None:
    reply.drain()
    origin, path = _location(client.endpoint.origin, f"/v2/{repository}/blobs/uploads/", reply)
    client.ask("DELETE", path, push_scope(repository), repository, origin=origin).drain()


def _location(origin: Origin, path: str, reply: Reply) -> tuple[Origin, str]:
    place = reply.header("Location")
    found = resolve(origin, path, place)
    if not place or (origin.scheme == "https" and found[0].scheme != "https"):
        raise Refused(f"{origin.netloc} tells no safe place for an upload: {place[:80]!a}")
    return found


def _with_digest(path: str, digest: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}digest={digest}"


def _expect(client: Client, reply: Reply, status: int, what: str) -> None:
    if reply.status != status:
        raise refusal(client.name, what, reply, known=True)
    reply.drain()


_BYTES = {"Content-Type": "application/octet-stream"}
