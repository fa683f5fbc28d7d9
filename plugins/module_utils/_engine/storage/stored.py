# SPDX-License-Identifier: GPL-3.0-or-later
"""The one door to a layer's blob: a file below blobs/, or what its tree and a description come to when dedupe took the file away."""

from __future__ import annotations

import os

from ..errors import Damaged
from . import blobs
from .limits import MIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from ..paths import Paths

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TREE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Stored:
    """A blob that is held open: `size` in bytes, `path` of the file that stands for it. Its maker closes it.

    What is read does not move a position: several may read at once.
    """

    def __init__(self, digest: str, path: str, descriptor: int, size: int, *, begin: int = 0, tree: int = -1) -> None:
        self.digest, self.path, self.size = digest, path, size
        self._descriptor, self._begin, self._tree = descriptor, begin, tree

    def blocks(self, start: int = 0) -> Generator[bytes, None, None]:
        """The bytes from `start` on, as they are on the disk: whoever sends them elsewhere has them checked there."""
        if self._tree >= 0:
            from . import derived

            yield from derived.assemble(self._descriptor, self._begin, self._tree, start)
            return
        while data := os.pread(self._descriptor, MIB, start):
            start += len(data)
            yield data

    def verified(self) -> Generator[bytes, None, None]:
        """All bytes; Damaged at their end when they are not what the digest says."""
        total = blobs.BlobWriter(None)
        try:
            for data in self.blocks():
                total.write(data)
                yield data
            found, _size = total.finish()
        finally:
            total.close()
        if found != self.digest:
            raise Damaged(f"blob {self.digest} has another content than its digest says: {found}")

    def close(self) -> None:
        """Harmless twice."""
        for descriptor in (self._descriptor, self._tree):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._tree = -1

    def __enter__(self) -> Stored:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_blob(paths: Paths, digest: str) -> Stored:
    """The blob of a layer. Damaged when the store lacks it."""
    path = blobs.path_of(paths, digest)
    try:
        descriptor = os.open(path, _FILE)
    except OSError as error:
        found = _open_derived(paths, digest)
        if found is None:
            raise Damaged(
                f"the store lacks blob {digest}: {error.strerror}: pull the image, or make it again"
            ) from None
        return found
    return Stored(digest, path, descriptor, os.fstat(descriptor).st_size)


def _open_derived(paths: Paths, digest: str) -> Stored | None:
    # Seldom is one wanted, and to load what reads it takes as long as all else that a blob needs.
    from . import derived, layers

    path = derived.path_of(paths, digest)
    try:
        descriptor = os.open(path, _FILE)
    except OSError:
        return None
    found = derived.read_head(descriptor)
    try:
        tree = os.open(f"{layers.directory(paths, found[0].chain)}/diff", _TREE) if found else -1
    except OSError:
        tree = -1
    if found is None or tree < 0:
        os.close(descriptor)
        return None
    return Stored(digest, path, descriptor, found[0].size, begin=found[1], tree=tree)


def has(paths: Paths, digest: str) -> bool:
    """Whether the blob is there, or can be made; what is in it is not looked at."""
    return size(paths, digest) >= 0


def size(paths: Paths, digest: str) -> int:
    """How long the blob is, -1 when the store has none."""
    try:
        return os.stat(blobs.path_of(paths, digest)).st_size
    except FileNotFoundError:
        found = _open_derived(paths, digest)
    if found is None:
        return -1
    with found:
        return found.size


def place(paths: Paths, digest: str) -> str:
    """The path of the file that stands for the blob: itself, else its description, else where it would lie."""
    from . import derived

    path, other = blobs.path_of(paths, digest), derived.path_of(paths, digest)
    return other if os.path.lexists(other) and not os.path.lexists(path) else path
