# SPDX-License-Identifier: GPL-3.0-or-later
"""One layer made whole in staging: its blob and its unpacked tree in one pass over the input, or only its digest."""

from __future__ import annotations

import os

from ..digests import hex_of
from ..errors import Refused
from ..values import Value
from .blobs import BlobWriter
from .census import Census
from .limits import MIB, Limits
from .stream import Stream, unpacked_blocks
from .tarread import read_tar
from .tarwrite import TarWriter
from .unpack import Unpacker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..paths import Paths
    from .entries import Entry, Piece, Sink
    from .staging import Staging

    Told = Callable[[int], object]

OPAQUE_MARK = "opaque"


class Layer(Value):
    """`home` is its directory in staging (blob, layer/diff), "" when only the digest was wanted. `newest` is the latest mtime, ns."""

    digest: str
    size: int
    newest: int = 0
    home: str = ""
    count: int = 0


def directory(paths: Paths, chain: str) -> str:
    """Where the layer with that chain id lies: diff/ is its tree; a file `opaque` beside it ends the stack of layers there."""
    return f"{paths.layers}/{hex_of(chain)}"


def from_tar(
    descriptor: int, name: str, limits: Limits, *, staging: Staging | None, lowers: tuple[str, ...] = (), told: Told | None = None
) -> Layer:  # fmt: skip
    """The layer that the archive open at `descriptor` is. Its blob is the tar as it is given, decompressed.

    Without `staging` nothing is written, and the answer is the same; Refused for hostile input either way. `told` hears how
    many bytes of the archive were read.
    """
    blocks = unpacked_blocks(descriptor, limits, name)
    return from_blocks(
        _followed(blocks, descriptor, told) if told else blocks, name, limits, staging=staging, lowers=lowers
    )


def from_blocks(
    blocks: Iterator[bytes], name: str, limits: Limits, *, staging: Staging | None, lowers: tuple[str, ...] = ()
) -> Layer:
    """The same from the bytes of a tar that is not compressed any more."""
    build = Build(staging.path if staging else "", lowers)
    census = Census(limits)
    try:
        stream = Stream(blocks, build.blob.write)
        count = 0
        for entry in read_tar(stream):
            if census.admit(entry):
                entry.pour(build.tree)
                count += 1
        return build.finish(census.newest, count)
    except Refused as error:
        # What reads the archive knows no name for it.
        raise error if name in str(error) else Refused(f"{name}: {error}") from None
    finally:
        build.abandon()


def _followed(blocks: Iterator[bytes], descriptor: int, told: Told) -> Iterator[bytes]:
    for block in blocks:
        told(os.lseek(descriptor, 0, os.SEEK_CUR))
        yield block


def from_entries(
    entries: Iterable[Entry], *, staging: Staging | None, lowers: tuple[str, ...] = (), told: Told | None = None
) -> Layer:
    """The layer that these entries make, written deterministically. `entries` come from our own walk, parents first.

    `told` hears now and then how many bytes the layer has by then.
    """
    build = Build(staging.path if staging else "", lowers)
    try:
        newest = count = 0
        writer = TarWriter(_counted(build.blob.write, told) if told else build.blob.write)
        sinks = (writer, *build.tree)
        for entry in entries:
            newest = max(newest, entry.mtime)
            count += 1
            entry.pour(sinks)
        writer.close()
        return build.finish(newest, count)
    finally:
        build.abandon()


def _counted(write: Callable[[Piece], object], told: Told) -> Callable[[Piece], None]:
    total = last = 0

    def both(data: Piece) -> None:
        nonlocal total, last
        write(data)
        total += len(data)
        if total - last >= MIB:
            last = total
            told(total)

    return both


class Build:
    """A layer being made in the directory `home`, or nowhere when that is "": give entries to `tree`, bytes of the blob to `blob`."""

    def __init__(self, home: str, lowers: tuple[str, ...] = (), *, deferred: bool = False, keep: bool = True) -> None:
        self.home = home
        self._root = -1
        self.tree: tuple[Sink, ...] = ()
        self.blob = BlobWriter(f"{home}/blob" if home and keep else None)
        self.unpacker: Unpacker | None = None
        if home:
            os.mkdir(f"{home}/layer", 0o700)
            os.mkdir(f"{home}/layer/diff", 0o755)
            self._root = os.open(f"{home}/layer/diff", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self.unpacker = Unpacker(self._root, lowers=lowers, deferred=deferred)
            self.tree = (self.unpacker,)

    def finish(self, newest: int, count: int) -> Layer:
        """The tree and the blob are whole."""
        if self.unpacker:
            self.unpacker.close()
            if self.unpacker.opaque_root:
                mark_opaque(self.home)
        digest, size = self.blob.finish()
        return Layer(digest=digest, size=size, newest=newest, home=self.home, count=count)

    def abandon(self) -> None:
        """Let go of descriptors and threads; harmless twice."""
        self.blob.close()
        if self.unpacker:
            self.unpacker.abandon()
        if self._root >= 0:
            os.close(self._root)
            self._root = -1


def mark_opaque(home: str) -> None:
    """Note beside the tree that nothing below it is seen through it."""
    os.close(os.open(f"{home}/layer/{OPAQUE_MARK}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
