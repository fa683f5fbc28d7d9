# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a base image can come from: a directory, a tar, or the busybox of the host. Each can say whether it has changed."""

from __future__ import annotations

import os
import stat

from ..errors import InvalidSpec, NotFound, Refused, from_os
from ..storage import fingerprint, layers
from ..storage.census import WHITEOUT_PREFIX
from ..storage.entries import CHARACTER, Entry, show
from ..storage.stream import open_archive
from ..storage.tree import Reader, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    from ..paths import Paths
    from ..storage.layers import Layer, Told
    from ..storage.limits import Limits
    from ..storage.staging import Staging

    class Source(Protocol):
        """`key` names it; `defaults` are OCI config fields that hold unless the user says otherwise. `foretold`: reading it
        tells what it makes; without, check mode knows only that something will be made. `size` is how many bytes `told`
        will have heard of at the end, 0 when that is not known."""

        foretold: bool
        key: str
        defaults: dict[str, Any]
        warnings: list[str]
        size: int

        def fingerprint(self) -> str:
            """Equal to an earlier one: nothing changed. "": can't tell."""

        def layer(self, staging: Staging | None, limits: Limits, told: Told | None = None) -> Layer:
            """The layer, in staging or only as a digest."""


_SHOWN = 5


class Directory:
    """A directory on the host: read, never changed, through no symlink and not into other file systems mounted there."""

    foretold, size = True, 0

    def __init__(self, paths: Paths, path: str) -> None:
        self.key = f"directory:{path}"
        self.defaults: dict[str, Any] = {}
        self.warnings: list[str] = []
        self._path = path
        self._skipped: dict[str, list[str]] = {}
        real = os.path.realpath(path)
        if f"{os.path.realpath(paths.root)}/".startswith(f"{real.rstrip('/')}/"):
            raise InvalidSpec(f"rootfs {path!a} contains the engine's own state {paths.root}: give another directory")

    def fingerprint(self) -> str:
        root = self._open()
        try:
            return fingerprint.of_tree(root)
        finally:
            os.close(root)

    def layer(self, staging: Staging | None, limits: Limits, told: Told | None = None) -> Layer:
        self._skipped.clear()
        root = self._open()
        try:
            return layers.from_entries(self._entries(root, limits), staging=staging, told=told)
        finally:
            os.close(root)
            self.warnings = [_sentence(why, names) for why, names in self._skipped.items()]

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound(
                f"rootfs {self._path!a} is not there: give the path of a directory or a tar on this host"
            ) from None
        except OSError as error:
            raise from_os(error, f"open rootfs {self._path!a}") from error

    def _entries(self, root: int, limits: Limits) -> Iterator[Entry]:
        reader = Reader()
        yield reader.root(root)
        count = 0
        for node in walk(root):
            count += 1
            if count > limits.entries:
                raise Refused(
                    f"rootfs {self._path!a} has more than {limits.entries} files: raise max_entries if it is meant to"
                )
            if node.foreign:
                self._skip("what is mounted there was left out", node.path)
            if node.name.startswith(WHITEOUT_PREFIX):
                self._skip("names that begin with .wh. can't be in a layer", node.path)
                continue
            if stat.S_IFMT(node.stat.st_mode) == CHARACTER and node.stat.st_rdev == 0:
                self._skip("overlay whiteouts were left out", node.path)
                continue
            entry = reader.entry(node)
            if entry is None:
                self._skip("sockets were left out", node.path)
                continue
            yield entry

    def _skip(self, why: str, path: bytes) -> None:
        self._skipped.setdefault(why, []).append(show(path))


class Tar:
    """A tar, tar.gz or tar.xz on the host. Its layer is the tar itself, decompressed, so the digest is the archive's own."""

    foretold = True

    def __init__(self, path: str) -> None:
        self.key = f"tar:{path}"
        self.defaults: dict[str, Any] = {}
        self.warnings: list[str] = []
        self.size = 0
        self._path = path

    def fingerprint(self) -> str:
        with open_archive(self._path) as descriptor:
            return fingerprint.of_file(descriptor)

    def layer(self, staging: Staging | None, limits: Limits, told: Told | None = None) -> Layer:
        with open_archive(self._path) as descriptor:
            before = os.fstat(descriptor)
            self.size = before.st_size
            layer = layers.from_tar(descriptor, f"rootfs {self._path!a}", limits, staging=staging, told=told)
            after = os.fstat(descriptor)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise Refused(f"rootfs {self._path!a} changed while it was read: try again when it is whole")
        return layer


def open_rootfs(paths: Paths, path: str) -> Source:
    """The source that `rootfs` names. NotFound, or InvalidSpec for a path that is not absolute."""
    if not path.startswith("/") or "\0" in path:
        raise InvalidSpec(f"rootfs {path!a} is no absolute path")
    return Directory(paths, path) if os.path.isdir(path) else Tar(path)


def _sentence(why: str, names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{why}: {', '.join(names[:_SHOWN])}{more}"
