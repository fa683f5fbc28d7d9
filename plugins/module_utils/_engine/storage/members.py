# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that an image is spread over, in a directory or in a tar: found by name, opened as regular files only, read in place."""

from __future__ import annotations

import errno
import os
import stat

from ..errors import KernelError, Refused
from ..kernel.files import open_beneath
from ..mediatypes import DOCUMENT
from .census import canonical
from .entries import DIRECTORY, FILE, HARDLINK, SYMLINK, show
from .limits import MIB
from .stream import FileStream
from .tarread import read_tar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    class Members(Protocol):
        """Names are relative and canonical. Refused, naming the archive, for what is missing or no regular file."""

        what: str

        def has(self, name: str) -> bool: ...
        def size(self, name: str) -> int: ...
        def blocks(self, name: str) -> Iterator[bytes]: ...


_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_MOST = 20_000


class Directory:
    """The files below the open directory `root`, through no symlink. The owner of the descriptor closes it."""

    def __init__(self, root: int, what: str) -> None:
        self._root, self.what = root, what

    def has(self, name: str) -> bool:
        try:
            os.close(self._open(name))
        except Refused:
            return False
        return True

    def size(self, name: str) -> int:
        descriptor = self._open(name)
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def blocks(self, name: str) -> Iterator[bytes]:
        descriptor = self._open(name)
        try:
            while block := os.read(descriptor, MIB):
                yield block
        finally:
            os.close(descriptor)

    def _open(self, name: str) -> int:
        try:
            descriptor = open_beneath(self._root, os.fsencode(name), _FILE)
        except KernelError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
                raise
            raise Refused(f"{self.what} has no file {name}") from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Refused(f"{self.what} has {name}, which is no regular file")
        return descriptor


class Tar:
    """The members of the tar open at `descriptor`, which is not compressed. The owner of the descriptor closes it.

    `fits` tells for each name whether it can be one of these; the first that can't makes `is_archive` False and ends the look.
    """

    def __init__(self, descriptor: int, what: str, fits: Callable[[str], bool]) -> None:
        self._descriptor, self.what = descriptor, what
        self._places: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        self.is_archive = self._look(fits)

    def has(self, name: str) -> bool:
        return self._links.get(name, name) in self._places

    def size(self, name: str) -> int:
        return self._place(name)[1]

    def blocks(self, name: str) -> Iterator[bytes]:
        offset, left = self._place(name)
        while left:
            block = os.pread(self._descriptor, min(left, MIB), offset)
            if not block:
                raise Refused(f"{self.what} is cut inside {name}")
            yield block
            offset, left = offset + len(block), left - len(block)

    def _place(self, name: str) -> tuple[int, int]:
        place = self._places.get(self._links.get(name, name))
        if place is None:
            raise Refused(f"{self.what} has no file {name}")
        return place

    def _look(self, fits: Callable[[str], bool]) -> bool:
        stream = FileStream(self._descriptor)
        count = 0
        for entry in read_tar(stream):
            count += 1
            path = canonical(entry.path)
            name = os.fsdecode(path)
            if not fits(name) or entry.kind not in (FILE, DIRECTORY, SYMLINK, HARDLINK):
                return False
            if count > _MOST:
                raise Refused(f"{self.what} has more than {_MOST} members, which no image's archive has")
            if entry.kind == DIRECTORY:
                continue
            if name in self._places or name in self._links:
                raise Refused(f"{self.what} has two members called {show(path)}")
            if entry.kind != FILE:
                self._links[name] = _target(name, os.fsdecode(entry.link), entry.kind)
            elif entry.extents is not None:
                raise Refused(f"{self.what} has a member with holes: {show(path)}")
            else:
                self._places[name] = (stream.position, entry.size)
        return bool(self._places)


def _target(name: str, link: str, kind: int) -> str:
    """What a link's text means, by words alone: it is looked up among the members and nowhere else."""
    above = os.path.dirname(name) if kind == SYMLINK else ""
    return os.path.normpath(os.path.join(above, link))


def document(members: Members, name: str) -> bytes:
    """A small file, whole. Refused when it is longer than a document may be."""
    if members.size(name) > DOCUMENT:
        raise Refused(f"{members.what} has a {name} of {members.size(name)} bytes: {DOCUMENT} are read")
    return b"".join(members.blocks(name))
