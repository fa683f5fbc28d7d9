# SPDX-License-Identifier: GPL-3.0-or-later
"""The other way: blobs and manifests into a registry. What is there is not sent, and what breaks goes on where it was."""

from __future__ import annotations

from ..errors import Refused, Unreachable
from .client import push_scope, show
from .faults import Broken
from .sending import Sending, expect, location
from .transport import BUSY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .client import Client
    from .transport import Readable, Reply

_TRIES = 5
# A try after which the registry has this much more than ever is not counted.
_WORTH = 1 << 20


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
    """Send a blob: in one piece, by chunks where that is too large for what stands before the registry, or after a break.

    `open_from(offset)` gives its file from there on, each time anew. Unreachable when five tries in a row bring too little.
    """
    sending = Sending(client, repository, digest, size, open_from)
    tried = most = 0
    while True:
        tried += 1
        try:
            reply = sending.send()
            if reply.status not in BUSY or tried >= _TRIES:
                expect(client, reply, 201, show(repository, digest))
                return
            reply.close()
        except Broken as error:
            if client.has_blob(repository, digest):
                return  # only the answer was lost
            if tried >= _TRIES:
                raise Unreachable(f"registry {client.name}: {error}: blob {digest} did not get there") from None
        client.pause(tried)
        sending.look()
        if sending.done >= most + _WORTH:
            tried, most = 0, sending.done


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
    expect(client, reply, 201, what)
    told = reply.header("Docker-Content-Digest")
    if told and told != digest:
        raise Refused(f"registry {client.name} says that {what} has the digest {told[:71]!a} and not {digest}")


def _cancel(client: Client, repository: str, reply: Reply) -> None:
    reply.drain()
    origin, path = location(client.endpoint.origin, f"/v2/{repository}/blobs/uploads/", reply)
    client.ask("DELETE", path, push_scope(repository), repository, origin=origin).drain()
