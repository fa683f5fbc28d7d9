# SPDX-License-Identifier: GPL-3.0-or-later
"""Content by its digest: written into staging while it is hashed, and in the store only once it is whole."""

from __future__ import annotations

import os

from ..digests import PREFIX, hex_of, sha256
from ..errors import Damaged
from ..mediatypes import DOCUMENT
from ..records import write_all
from .limits import MIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from threading import Thread

    from ..paths import Paths
    from .entries import Piece

_BATCH = MIB // 2
_AHEAD = 8


class BlobWriter:
    """Hashes what it is given, and writes it to `path` unless that is None. Both happen in a thread beside the reader's, if it is much.

    `finish` waits and gives (digest, size); an OSError of the thread is raised by the next call. Pieces are not copied.
    """

    def __init__(self, path: str | None) -> None:
        self._fd = -1 if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._size = self._held = 0
        self._batch: list[Piece] = []
        self._queue: list[list[Piece]] = []
        self._error: OSError | None = None
        self._closed = False
        self._thread: Thread | None = None

    def _start(self) -> None:
        import hashlib
        import threading

        self._hash = hashlib.sha256()
        self._turn = threading.Condition()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def write(self, piece: Piece) -> None:
        """Take a piece; it must not change afterwards."""
        self._batch.append(piece)
        self._held += len(piece)
        self._size += len(piece)
        if self._held >= _BATCH:
            self._hand_over()

    def finish(self) -> tuple[str, int]:
        """Everything is written and hashed: the digest and the size."""
        if self._thread is None:
            return self._finish_little()
        self._hand_over()
        self.close()
        if self._error:
            raise self._error
        return PREFIX + self._hash.hexdigest(), self._size

    def _finish_little(self) -> tuple[str, int]:
        data = b"".join(self._batch)
        try:
            if self._fd >= 0:
                write_all(self._fd, data)
        finally:
            self.close()
        return sha256(data), self._size

    def close(self) -> None:
        """End the thread and the file; harmless twice."""
        if self._thread is not None:
            with self._turn:
                self._closed = True
                self._turn.notify_all()
            self._thread.join()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _hand_over(self) -> None:
        if self._thread is None:
            self._start()
        with self._turn:
            while len(self._queue) >= _AHEAD and not self._error:
                self._turn.wait()
            if self._error:
                raise self._error
            self._queue.append(self._batch)
            self._turn.notify_all()
        self._batch, self._held = [], 0

    def _work(self) -> None:
        try:
            while (batch := self._next()) is not None:
                data = batch[0] if len(batch) == 1 else b"".join(batch)
                self._hash.update(data)
                if self._fd >= 0:
                    write_all(self._fd, data)
        except OSError as error:
            with self._turn:
                self._error = error
                self._turn.notify_all()

    def _next(self) -> list[Piece] | None:
        with self._turn:
            while not self._queue:
                if self._closed:
                    return None
                self._turn.wait()
            self._turn.notify_all()
            return self._queue.pop(0)


def path_of(paths: Paths, digest: str) -> str:
    """Where that blob lies, or would."""
    return f"{paths.blobs}/{hex_of(digest)}"


def read(paths: Paths, digest: str) -> bytes:
    """A small blob, a manifest or a config. Damaged when it is missing, no regular file, or not what its digest says."""
    try:
        descriptor = os.open(path_of(paths, digest), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Damaged(f"the store lacks blob {digest}: {error.strerror}: make the image again") from None
    with open(descriptor, "rb") as file:
        data = file.read(DOCUMENT + 1)
    if len(data) > DOCUMENT:
        raise Damaged(f"blob {digest} is too long for a document")
    if sha256(data) != digest:
        raise Damaged(f"blob {digest} has another content than its digest says: pull the image, or make it again")
    return data


def digest_of(blocks: Iterable[bytes]) -> str:
    """The digest of bytes that are too many to hold."""
    import hashlib

    found = hashlib.sha256()
    for block in blocks:
        found.update(block)
    return PREFIX + found.hexdigest()
