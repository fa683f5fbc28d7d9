# SPDX-License-Identifier: GPL-3.0-or-later
"""Blobs that could be made from their trees go, once it is proved byte for byte that they can; and come back when they are wanted."""

from __future__ import annotations

import os

from ..digests import chain, hex_of
from ..errors import EngineError
from ..records import sync_directory, write_all
from ..values import Value
from . import blobs, derived, documents, layers, layout, stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..paths import Paths
    from .layout import Descriptor
    from .staging import Staging

# A second copy of less than this is worth more than its space.
_WORTH = 64 * 1024
_TREE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class Spare(Value):
    """A blob that its tree gives as well. `size` is the bytes on the disk that come free; `description` lies in staging, or is ""."""

    digest: str
    size: int
    description: str = ""


def spares(paths: Paths, place: Staging | None) -> list[Spare]:
    """The blobs that may go: uncompressed layers whose trees give every byte. With `place` their descriptions are written there."""
    found = []
    for digest, chain_id in sorted(_candidates(paths).items()):
        description = f"{place.path}/{hex_of(digest)}" if place else ""
        try:
            size = _saved(paths, digest, chain_id, description)
        except (EngineError, FileNotFoundError):
            continue  # damaged, or gone meanwhile: system check is to say which
        if size >= _WORTH:
            found.append(Spare(digest=digest, size=size, description=description))
    return found


def _candidates(paths: Paths) -> dict[str, str]:
    """Digest of a blob that is kept as a file and not compressed -> the chain id of a layer that it is."""
    found: dict[str, str] = {}
    for item in layout.read_index(paths):
        try:
            for digest, diff_id, chain_id in _layers(paths, item):
                if digest == diff_id and os.path.isfile(blobs.path_of(paths, digest)):
                    found.setdefault(digest, chain_id)
        except (EngineError, KeyError, TypeError):
            continue
    return found


def _layers(paths: Paths, item: Descriptor) -> Iterator[tuple[str, str, str]]:
    manifest = documents.unpack(blobs.read(paths, item["digest"]), item["digest"])
    config = manifest["config"]["digest"]
    diff_ids = tuple(documents.unpack(blobs.read(paths, config), config)["rootfs"]["diff_ids"])
    return zip((layer["digest"] for layer in manifest["layers"]), diff_ids, chain(diff_ids))


def _saved(paths: Paths, digest: str, chain_id: str, description: str) -> int:
    """How many bytes come free; 0 when the tree does not give the blob."""
    blob = os.open(blobs.path_of(paths, digest), _FILE)
    try:
        tree = os.open(f"{layers.directory(paths, chain_id)}/diff", _TREE)
        try:
            output = _Output(description)
            try:
                found = derived.describe(blob, tree, chain_id, output.write)
            finally:
                output.close()
        finally:
            os.close(tree)
        status = os.fstat(blob)
        grain = os.fstatvfs(blob).f_frsize
        return status.st_blocks * 512 - (output.size + -output.size % grain) if found == digest else 0
    finally:
        os.close(blob)


class _Output:
    def __init__(self, path: str) -> None:
        self.size = 0
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600) if path else -1

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self._fd >= 0:
            write_all(self._fd, data)

    def close(self) -> None:
        if self._fd >= 0:
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1


def drop(paths: Paths, found: list[Spare]) -> None:
    """Let the blobs go, each after its description is on the disk for good. What has gone meanwhile is left alone.

    Takes `layout.changing` for each. Killed at any instant, there is the blob, or the description, or both.
    """
    for spare in found:
        with layout.changing(paths):
            path = blobs.path_of(paths, spare.digest)
            if not os.path.isfile(path):
                continue
            target = derived.path_of(paths, spare.digest)
            if not os.path.isdir(os.path.dirname(target)):
                os.mkdir(os.path.dirname(target), 0o700)
                sync_directory(paths.root)
            os.rename(spare.description, target)
            sync_directory(os.path.dirname(target))
            os.unlink(path)


def away(paths: Paths) -> list[str]:
    """The digests of the blobs that are made from their trees."""
    return [f"sha256:{name}" for name in derived.names(paths) if not os.path.isfile(f"{paths.blobs}/{name}")]


def restore(paths: Paths, place: Staging, digest: str) -> int:
    """Keep a blob as a file again; its size in bytes. Damaged when its tree does not give it any more."""
    scratch = f"{place.path}/{hex_of(digest)}"
    with stored.open_blob(paths, digest) as blob:
        with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.writelines(blob.verified())
            file.flush()
            os.fsync(file.fileno())
        size = blob.size
    with layout.changing(paths):
        if stored.has(paths, digest):
            os.rename(scratch, blobs.path_of(paths, digest))
            sync_directory(paths.blobs)
            derived.forget(paths, digest)
    return size
