# SPDX-License-Identifier: GPL-3.0-or-later
"""One compressed layer becomes a verified blob and an unpacked tree in staging, in one pass over bytes that come from elsewhere."""

from __future__ import annotations

import os
import queue
import threading
import time

from ..errors import EngineError, Refused
from ..values import Value
from .blobs import BlobWriter
from .census import Census
from .layers import Build, Layer
from .limits import Limits
from .stream import Stream, unpacked
from .tarread import read_tar
from .unpack import settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_AHEAD = 4
_PATIENCE = 1.0


class Arriving(Value):
    """A layer that is to come: the blob's `digest` and `size` in bytes, and its `diff_id`. `keep`: the blob is wanted too."""

    digest: str
    size: int
    diff_id: str
    keep: bool = True


class Unpacked(Value):
    """A layer in staging that waits for the trees below it: (kind, path) of its whiteouts, and the directories it only implies."""

    layer: Layer
    hidden: list[tuple[int, bytes]] = []
    implied: list[bytes] = []


def ingest(
    arriving: Arriving, blocks: Iterable[bytes], home: str, limits: Limits, told: Callable[[int], object]
) -> Unpacked:
    """Make the layer in the directory `home` (blob, layer/diff). `told` hears how many bytes have come so far.

    Refused when digest, length or diff id are not what they should be, or the content is hostile; `home` is rubbish then.
    """
    name = f"layer {arriving.digest[:19]}"
    build = Build(home, deferred=True, keep=arriving.keep)
    tar = BlobWriter(None)
    try:
        checked = _measured(blocks, arriving, build.blob.write, told)
        ahead = _Ahead(unpacked(checked, arriving.size, limits, name))
        try:
            newest, count = _unpack(Stream(iter(ahead), tar.write), build, limits)
        finally:
            ahead.stop()
        _check(arriving.diff_id, tar.finish()[0], f"{name} unpacks to another content than the config's diff id says")
        layer = build.finish(newest, count)
        _check(arriving.digest, layer.digest, f"{name} has another content than its digest says")
    except Refused as error:
        raise error if name in str(error) else Refused(f"{name}: {error}") from None
    finally:
        tar.close()
        build.abandon()
    unpacker = build.unpacker
    hidden = [(entry.kind, entry.path) for entry in unpacker.hidden] if unpacker else []
    return Unpacked(layer=layer, hidden=hidden, implied=sorted(unpacker.implied) if unpacker else [])


def _unpack(stream: Stream, build: Build, limits: Limits) -> tuple[int, int]:
    census, count = Census(limits), 0
    for entry in read_tar(stream):
        if census.admit(entry):
            entry.pour(build.tree)
            count += 1
        else:
            entry.discard()
    return census.newest, count


def _measured(
    blocks: Iterable[bytes], arriving: Arriving, write: Callable[[bytes], object], told: Callable[[int], object]
) -> Iterator[bytes]:
    """The blocks, kept on their way, and never more of them than the descriptor says."""
    count = 0
    for block in blocks:
        count += len(block)
        if count > arriving.size:
            raise Refused(
                f"layer {arriving.digest[:19]} is longer than the {arriving.size} bytes that its manifest says"
            )
        write(block)
        told(count)
        yield block
    if count < arriving.size:
        raise Refused(f"layer {arriving.digest[:19]} ends after {count} of {arriving.size} bytes")


def _check(wanted: str, found: str, sentence: str) -> None:
    if wanted != found:
        raise Refused(f"{sentence}: {found}, not {wanted}")


class _Ahead:
    """What an iterator gives, fetched by a thread of its own a few blocks ahead: unpacking and writing overlap."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._queue: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._error: EngineError | OSError | None = None
        self._stopped = self._whole = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[bytes]:
        while (block := self._queue.get()) is not None:
            yield block
        if self._error:
            raise self._error
        if not self._whole:
            raise RuntimeError("the thread that fetches a layer ended early")

    def stop(self) -> None:
        """End the thread, whether or not everything was taken; one that waits for a network is left to the process's end."""
        self._stopped = True
        end = time.monotonic() + _PATIENCE
        while self._thread.is_alive() and time.monotonic() < end:
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue

    def _work(self) -> None:
        try:
            for block in self._blocks:
                if self._stopped:
                    return
                self._queue.put(block)
            self._whole = True
        except (EngineError, OSError) as error:
            self._error = error
        finally:
            self._queue.put(None)


def settled(arrived: Unpacked, lowers: tuple[str, ...]) -> bool:
    """Finish the tree of a layer above `lowers` (topmost first, settled themselves); whether it hides them all."""
    root = os.open(f"{arrived.layer.home}/layer/diff", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return settle(root, lowers, arrived.hidden, arrived.implied)
    finally:
        os.close(root)
