# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether blobs are what their names say, and whether unpacked trees are what their blobs say: in one pass over the bytes of each."""

from __future__ import annotations

import os
import stat

from ..digests import PREFIX
from ..errors import Damaged, EngineError, KernelError, MissingDependency
from ..kernel.files import open_beneath
from ..values import Value
from . import blobs, stored
from .census import Census
from .entries import BLOCK, CHARACTER, DIRECTORY, FILE, HARDLINK, OPAQUE, SYMLINK, WHITEOUT, Entry, show
from .limits import MIB, UNBOUNDED
from .stream import Stream, read_blocks, unpacked
from .tarread import read_tar
from .tree import data_extents, read_xattrs, walk
from .unpack import directory_below
from .upper import is_opaque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from hashlib import _Hash

    from ..paths import Paths
    from .entries import Extents
    from .stored import Stored

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TREE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPAQUE_MARK = "opaque"


class Found(Value):
    """`blob` and `tree` are sentences about what is wrong with each, "" for nothing. Of a damaged blob's tree nothing is known.

    `unread` says why the tree could not be compared, though the blob is what its name says.
    """

    blob: str = ""
    tree: str = ""
    unread: str = ""


def digest_of(path: str) -> str:
    """The digest of the regular file at `path`; "" when there is none that can be read."""
    try:
        with open(os.open(path, _READ), "rb", buffering=0) as file:
            return blobs.digest_of(read_blocks(file.fileno()))
    except OSError:
        return ""


def check_blob(paths: Paths, digest: str) -> str:
    """What is wrong with the blob of a layer, whether it is a file or comes from its tree; "" for nothing."""
    try:
        with stored.open_blob(paths, digest) as blob:
            found = blobs.digest_of(blob.blocks())
    except Damaged as error:
        return str(error)
    except OSError as error:
        return f"it can't be read: {error.strerror}"
    return "" if found == digest else f"its content has the digest {found}"


def check_layer(paths: Paths, digest: str, diff_id: str, home: str, lowers: tuple[str, ...]) -> Found:
    """Compare the blob with its digest and its diff id, and the tree below `home` with what the blob unpacks to over `lowers`."""
    try:
        with stored.open_blob(paths, digest) as blob:
            return _compare(blob, diff_id, home, lowers)
    except MissingDependency as error:
        # A host without zstd says nothing against the blob.
        wrong = check_blob(paths, digest)
        return Found(blob=wrong) if wrong else Found(unread=str(error))
    except Damaged as error:
        return Found(blob=str(error))
    except OSError as error:
        return Found(blob=f"it can't be read: {error.strerror}")


def _compare(blob: Stored, diff_id: str, home: str, lowers: tuple[str, ...]) -> Found:
    expected = _Expected(home)
    try:
        wrong = expected.read(blob, diff_id)
        if not wrong and expected.doubled:
            expected.close()
            expected = _Expected(home, expected.final())
            wrong = expected.read(blob, diff_id)
        if wrong:
            return Found(blob=wrong)
        return Found(tree=expected.compare(lowers))
    finally:
        expected.close()


class _Node:
    """What one inode should be. `wrong` says how its content differs from that, "" for not at all."""

    __slots__ = ("entry", "number", "wrong")

    def __init__(self, entry: Entry, number: int) -> None:
        self.entry, self.number, self.wrong = entry, number, ""


class _Expected:
    """What a blob says, and a sink for its entries that compares files' contents on the way.

    `names`: member number -> the path where its content lies in the end, when later members replace earlier ones.
    """

    def __init__(self, home: str, names: dict[int, bytes] | None = None) -> None:
        self.doubled = False
        self._home, self._names = home, names
        self._nodes: dict[bytes, _Node] = {}
        self._hidden: list[Entry] = []
        self._above: set[bytes] | None = None
        self._number = 0
        try:
            self._root = os.open(f"{home}/diff", _TREE)
        except OSError:
            self._root = -1

    def close(self) -> None:
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def final(self) -> dict[int, bytes]:
        """Member number -> a path that has it in the end; members that nothing has are left out."""
        return {node.number: path for path, node in self._nodes.items()}

    def read(self, blob: Stored, diff_id: str) -> str:
        """Read the blob to its end; what is wrong with it, "" for nothing."""
        import hashlib

        raw, plain = hashlib.sha256(), hashlib.sha256()
        digest = blob.digest
        blocks = _hashed(blob.blocks(), raw) if digest != diff_id else blob.blocks()
        try:
            stream = Stream(unpacked(blocks, blob.size, UNBOUNDED, "it"), plain.update)
            census = Census(UNBOUNDED)
            for entry in read_tar(stream):
                if census.admit(entry):
                    self._take(entry)
        except MissingDependency:
            raise
        except EngineError as error:
            return str(error)
        if PREFIX + plain.hexdigest() != diff_id:
            return f"its content has the digest {PREFIX}{plain.hexdigest()}"
        if digest != diff_id and PREFIX + raw.hexdigest() != digest:
            return f"its content has the digest {PREFIX}{raw.hexdigest()}"
        return ""

    def _take(self, entry: Entry) -> None:
        self._number += 1
        if entry.kind in (WHITEOUT, OPAQUE):
            self._hidden.append(entry)
            return
        if entry.kind == HARDLINK:
            self._nodes[entry.path] = self._nodes[entry.link]
            return
        before = self._nodes.get(entry.path)
        self.doubled = self.doubled or (before is not None and before.entry.kind == FILE)
        node = self._nodes[entry.path] = _Node(entry, self._number)
        if entry.kind == FILE:
            path = entry.path if self._names is None else self._names.get(self._number)
            node.wrong = self._content(entry, path) if path is not None and self._root >= 0 else ""

    def _content(self, entry: Entry, path: bytes) -> str:
        try:
            descriptor = open_beneath(self._root, path, _READ)
        except KernelError:
            return "it is not there"
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
                return "it has another kind or size"
            for offset, piece in entry.content:
                if os.pread(descriptor, len(piece), offset) != piece:
                    return "its content differs"
            if entry.extents is not None and not _within(descriptor, entry.size, entry.extents):
                return "its holes are filled"
        except OSError as error:
            return f"it can't be read: {error.strerror}"
        finally:
            os.close(descriptor)
        return ""

    def compare(self, lowers: tuple[str, ...]) -> str:
        """What is wrong with the tree, "" for nothing; the first thing that is found."""
        if self._root < 0:
            return "it is not there"
        parts = set(os.listdir(self._home))
        opaque_root = bool(lowers) and any(item.kind == OPAQUE and not item.path for item in self._hidden)
        if parts - {"diff", _OPAQUE_MARK} or (_OPAQUE_MARK in parts) is not opaque_root:
            return "what lies beside its files is not what it should be"
        marked = self._whiteouts() if lowers else set()
        self._imply(lowers)
        try:
            return self._walk(marked)
        except (OSError, EngineError) as error:
            return f"it can't be read: {error}"

    def _whiteouts(self) -> set[bytes]:
        """Add what whiteouts leave in the tree; return the directories that carry overlayfs's mark."""
        marked = set()
        for item in self._hidden:
            if item.kind == OPAQUE:
                if item.path:
                    marked.add(item.path)
                continue
            there = self._nodes.get(item.path)
            if there is None and not self._has_below(item.path):
                self._nodes[item.path] = _Node(Entry(item.path, CHARACTER, mode=0), 0)
            elif there is None or there.entry.kind == DIRECTORY:
                marked.add(item.path)
        for path in marked:
            self._nodes.setdefault(path + b"/", _Node(Entry(path, DIRECTORY), 0))
        return marked

    def _has_below(self, path: bytes) -> bool:
        """Whether members lie below a directory that only they imply."""
        if self._above is None:
            self._above = set()
            for name in self._nodes:
                parent = name.rpartition(b"/")[0]
                while parent and parent not in self._above:
                    self._above.add(parent)
                    parent = parent.rpartition(b"/")[0]
        return path in self._above

    def _imply(self, lowers: tuple[str, ...]) -> None:
        """Directories that only the paths imply look as the one below does, or as mkdir makes them, at the epoch."""
        for name in list(self._nodes):
            path = name.rpartition(b"/")[0]
            while path not in self._nodes:
                self._nodes[path] = _Node(_implied(path, lowers), 0)
                path = path.rpartition(b"/")[0]
        self._nodes.setdefault(b"", _Node(_implied(b"", lowers), 0))
        for name in [name for name in self._nodes if name.endswith(b"/")]:
            del self._nodes[name]

    def _walk(self, marked: set[bytes]) -> str:
        missing = set(self._nodes) - {b""}
        inodes: dict[int, _Node] = {}
        own = b"/proc/self/fd/%d" % self._root
        wrong = self._differs(b"", os.fstat(self._root), own + b"/.", marked)
        # That a directory has another time says least: what happened in it is told, if it is found.
        late = f"its top directory: {wrong}" if wrong else ""
        for node in walk(self._root):
            expected = self._nodes.get(node.path)
            if expected is None:
                return f"{show(node.path)} does not belong there"
            missing.discard(node.path)
            place = b"/proc/self/fd/%d/%s" % (node.parent, node.name)
            wrong = self._differs(node.path, node.stat, place, marked)
            if not wrong and not stat.S_ISDIR(node.stat.st_mode):
                known = inodes.setdefault(node.stat.st_ino, expected)
                wrong = "" if known is expected else "it is a hard link to another file"
            if wrong and stat.S_ISDIR(node.stat.st_mode):
                late = late or f"{show(node.path)}: {wrong}"
            elif wrong:
                return f"{show(node.path)}: {wrong}"
        if missing:
            return f"{show(min(missing))} is not there"
        names: dict[int, int] = {}
        for ino, expected in inodes.items():
            if names.setdefault(id(expected), ino) != ino:
                return f"{show(expected.entry.path)} is no hard link any more"
        return late

    def _differs(self, path: bytes, status: os.stat_result, place: bytes, marked: set[bytes]) -> str:
        node = self._nodes[path]
        entry = node.entry
        if node.wrong:
            return node.wrong
        if stat.S_IFMT(status.st_mode) != entry.kind:
            return "it is of another kind"
        if entry.kind != SYMLINK and stat.S_IMODE(status.st_mode) != entry.mode:
            return "its mode differs"
        if (status.st_uid, status.st_gid) != (entry.uid, entry.gid):
            return "its owner differs"
        if status.st_mtime_ns != entry.mtime:
            return "its time differs"
        if entry.kind == SYMLINK and os.readlink(place) != entry.link:
            return "it leads elsewhere"
        if entry.kind in (CHARACTER, BLOCK) and status.st_rdev != os.makedev(*entry.rdev):
            return "it is another device"
        if entry.kind == FILE and status.st_size != entry.size:
            return "its size differs"
        if read_xattrs(place) != entry.xattrs:
            return "its attributes differ"
        if entry.kind == DIRECTORY and is_opaque(place) is not (path in marked):
            return "it hides the layers below, or does not, against what it should"
        return ""


def _hashed(blocks: Iterator[bytes], total: _Hash) -> Iterator[bytes]:
    for block in blocks:
        total.update(block)
        yield block


def _implied(path: bytes, lowers: tuple[str, ...]) -> Entry:
    known = directory_below(lowers, path)
    if known is None:
        return Entry(path, DIRECTORY, mode=0o755)
    return Entry(
        path, DIRECTORY, mode=stat.S_IMODE(known.st_mode), uid=known.st_uid, gid=known.st_gid, mtime=known.st_mtime_ns
    )


def _within(descriptor: int, size: int, extents: Extents) -> bool:
    """Whether all that is not zero in the file lies in these extents."""
    found = data_extents(descriptor, size)
    if found is None:
        return _zero_outside(descriptor, size, extents)
    at = 0
    for offset, length in found:
        while at < len(extents) and sum(extents[at]) <= offset:
            at += 1
        if at == len(extents) or not (extents[at][0] <= offset and offset + length <= sum(extents[at])):
            return _zero_outside(descriptor, size, extents)
    return True


def _zero_outside(descriptor: int, size: int, extents: Extents) -> bool:
    ends = [0, *(sum(extent) for extent in extents)]
    starts = [*(offset for offset, _length in extents), size]
    for start, end in zip(ends, starts):
        for offset in range(start, end, MIB):
            data = os.pread(descriptor, min(MIB, end - offset), offset)
            if data.count(0) != len(data):
                return False
    return True
