# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a store as one tar or one directory, the same bytes for the same content, written beside their place and renamed into it."""

from __future__ import annotations

import contextlib
import os
import stat

from ..digests import PREFIX
from ..errors import Conflict, InvalidSpec, NotFound, from_os
from ..records import sync_directory
from .entries import DIRECTORY, FILE, Entry
from .limits import MIB
from .staging import remove_tree
from .tarwrite import TarWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Union

    from .entries import Piece
    from .stored import Stored

    # Bytes, or a blob of the store, held open; under the name they get.
    Part = Union[bytes, Stored]
    Parts = dict[str, Part]

_MARK = ".berth-export-"


def tar_size(parts: Parts) -> int:
    """How long the tar of these parts is."""
    counted = _Counter()
    _pour(parts, counted.add, with_data=False)
    return counted.size


class _Counter:
    size = 0

    def add(self, piece: bytes | memoryview) -> None:
        self.size += len(piece)


def write_tar(parts: Parts, path: str) -> None:
    """The parts as a tar at `path`, 0644, atomically. StorageFull or EngineError; what was there stays then."""
    with _scratch(path) as scratch:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with open(descriptor, "wb", buffering=MIB) as file:
            _pour(parts, file.write, with_data=True)
            file.flush()
            os.fsync(file.fileno())
        os.rename(scratch, path)


def write_directory(parts: Parts, path: str) -> None:
    """The parts as files below the directory `path`; one that is there already is exchanged as a whole."""
    with _scratch(path) as scratch:
        os.mkdir(scratch, 0o755)
        for name, part in parts.items():
            os.makedirs(os.path.dirname(f"{scratch}/{name}"), exist_ok=True)
            with open(f"{scratch}/{name}", "xb") as file:
                file.writelines(_pieces(part))
                file.flush()
                os.fsync(file.fileno())
        if os.path.lexists(path):
            os.rename(path, f"{scratch}.old")
        os.rename(scratch, path)


@contextlib.contextmanager
def _scratch(path: str) -> Iterator[str]:
    """A name beside `path` for what is half made; nothing is left of it, whatever happens short of SIGKILL."""
    above, name = os.path.split(path.rstrip("/"))
    place = f"{above or '/'}/{_MARK}{os.getpid()}-{name[:200]}"
    try:
        parent = os.open(above or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise from_os(error, f"open {above!a}, where the export shall lie") from error
    try:
        _sweep(parent, name)
        yield place
        sync_directory(above or "/")
    except OSError as error:
        raise from_os(error, f"write {path!a}") from error
    finally:
        for end in ("", ".old"):
            remove_tree(parent, os.fsencode(os.path.basename(place) + end))
        os.close(parent)


def _sweep(parent: int, name: str) -> None:
    """Remove what an export to the same place left when it was killed."""
    for found in os.listdir(parent):
        number, dash, rest = found.removeprefix(_MARK).partition("-")
        ours = found.startswith(_MARK) and dash and rest.removesuffix(".old") == name[:200] and number.isdigit()
        if ours and not os.path.exists(f"/proc/{number}"):
            remove_tree(parent, os.fsencode(found))


def same_tar(parts: Parts, path: str) -> bool:
    """Whether the file at `path` is byte for byte the tar of these parts."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    with open(descriptor, "rb", buffering=MIB) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size != tar_size(parts):
            return False
        compare = _Comparison(file.read)
        _pour(parts, compare.add, with_data=True)
        return compare.equal


class _Comparison:
    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read, self.equal = read, True

    def add(self, piece: bytes | memoryview) -> None:
        if self.equal:
            self.equal = self._read(len(piece)) == piece


def same_directory(parts: Parts, path: str) -> bool:
    """Whether the directory at `path` has these files with these bytes, and no others."""
    found = {
        os.path.relpath(f"{above}/{name}", path)
        for above, inner, files in os.walk(path)
        for name in [*files, *(one for one in inner if os.path.islink(f"{above}/{one}"))]
    }
    return found == set(parts) and all(_same_file(part, f"{path}/{name}") for name, part in parts.items())


def _same_file(part: Part, path: str) -> bool:
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_size != part_size(part):
        return False
    with open(path, "rb") as file:
        return all(file.read(len(piece)) == piece for piece in _pieces(part))


def check_place(path: str, *, directory: bool, force: bool, is_known: bool) -> None:
    """InvalidSpec for no absolute path, NotFound for a missing parent, Conflict for what an export may not replace."""
    if not path.startswith("/") or "\0" in path or os.path.normpath(path) == "/":
        raise InvalidSpec(f"path {path!a} is no absolute path of a file or directory to write")
    if not os.path.isdir(os.path.dirname(os.path.normpath(path))):
        raise NotFound(f"the directory above {path!a} is not there: make it first")
    if not os.path.lexists(path):
        return
    if os.path.isdir(path) != directory or os.path.islink(path):
        raise Conflict(f"{path!a} is there and of another kind: remove it, or give another path")
    if directory and not force and os.listdir(path) and not is_known:
        raise Conflict(
            f"{path!a} is a directory with other things in it: use force to replace it, or give another path"
        )


def _pour(parts: Parts, write: Callable[[Piece], object], *, with_data: bool) -> None:
    """Directories first, then files, each by name; all dated 0, owned by root."""
    writer = TarWriter(write)
    above = {name[:at] for name in parts for at, letter in enumerate(name) if letter == "/"}
    for name in sorted(above):
        Entry(os.fsencode(name), DIRECTORY, mode=0o755).pour((writer,))
    for name in sorted(parts):
        size = part_size(parts[name])
        content = _placed(parts[name]) if with_data else _gap(size)
        Entry(os.fsencode(name), FILE, size=size, content=content).pour((writer,))
    writer.close()


class _Gap:
    """So many bytes that nobody looks at."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


def _gap(size: int) -> Iterator[tuple[int, bytes]]:
    if size:
        yield 0, _Gap(size)  # type: ignore[misc]


def _placed(part: Part) -> Iterator[tuple[int, bytes]]:
    at = 0
    for piece in _pieces(part):
        yield at, piece
        at += len(piece)


def part_size(part: Part) -> int:
    """Bytes."""
    return len(part) if isinstance(part, bytes) else part.size


def _pieces(part: Part) -> Iterator[bytes]:
    """Damaged at the end of a blob that is not what its digest says: the archive is not finished then."""
    if isinstance(part, bytes):
        yield part
    else:
        yield from part.verified()


def named(digest: str) -> str:
    """Where a blob lies in an OCI image layout."""
    return f"blobs/sha256/{digest[len(PREFIX) :]}"
