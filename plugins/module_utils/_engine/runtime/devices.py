# SPDX-License-Identifier: GPL-3.0-or-later
"""The device nodes of a container: the engine's own, on a tmpfs that it made, so that nothing of an image is taken for one.

All this is the host's root's work; the container's root gets them by descriptors.
"""

from __future__ import annotations

import os
import stat

from ..errors import Conflict, InvalidSpec, from_os
from ..kernel import mounts
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .ids import IdMap
    from .mountoptions import Mount

_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}
_DEFAULTS = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)


class Node(Value):
    """A node at `path`; `kind` is S_IFCHR, S_IFBLK or S_IFIFO, the ids are the container's."""

    path: str
    kind: int
    major: int = 0
    minor: int = 0
    mode: int = 0o666
    uid: int = 0
    gid: int = 0


def read(entries: Sequence[dict[str, Any]]) -> tuple[Node, ...]:
    """The six nodes that every program expects, then config.json's "linux.devices"; one of those takes the place of ours."""
    asked = {node.path: node for node in map(_read_one, entries)}
    if len(asked) != len(entries):
        raise InvalidSpec("linux.devices: a path is given twice")
    ours = (Node(path=f"/dev/{name}", kind=stat.S_IFCHR, major=major, minor=minor) for name, major, minor in _DEFAULTS)
    return (*(node for node in ours if node.path not in asked), *asked.values())


def _read_one(entry: dict[str, Any]) -> Node:
    path, kind = str(entry.get("path") or ""), entry.get("type")
    if not path.startswith("/") or "\0" in path or os.path.normpath(path) in ("/", "/dev"):
        raise InvalidSpec(f"linux.devices: {path!a} is no path of a device")
    if kind not in _KINDS:
        raise InvalidSpec(f"linux.devices: {path}: type {kind!a} is none: write c, b, u or p")
    numbers = [entry.get(name) for name in ("major", "minor")]
    if kind == "p":
        numbers = [0, 0]
    if not all(isinstance(number, int) and 0 <= number < 1 << 32 for number in numbers):
        raise InvalidSpec(f"linux.devices: {path}: type {kind} needs a major and a minor number")
    mode = entry.get("fileMode")
    return Node(
        path=os.path.normpath(path),
        kind=_KINDS[str(kind)],
        major=int(numbers[0] or 0),
        minor=int(numbers[1] or 0),
        mode=0o666 if mode is None else int(mode) & 0o7777,
        uid=int(entry.get("uid") or 0),
        gid=int(entry.get("gid") or 0),
    )


def open_directory(mount: Mount, nodes: Sequence[Node], ids: IdMap) -> int:
    """A detached tmpfs for /dev with those `nodes` that lie below it, the links to them, and places for other mounts.

    It can be written to, whatever `mount` says, until others have found their places in it.
    """
    options = mount.options
    device = mounts.open_filesystem(
        "tmpfs", (("source", mount.source), *options.data), options.set & ~(mounts.ATTR_NODEV | mounts.ATTR_RDONLY)
    )
    root = ids.uid(0), ids.gid(0)
    os.chown(".", *root, dir_fd=device)
    for name in ("pts", "shm", "mqueue"):
        os.mkdir(name, 0o755, dir_fd=device)
        os.chown(name, *root, dir_fd=device)
    os.close(os.open("console", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=device))
    os.chown("console", *root, dir_fd=device)
    taken = {node.path for node in nodes}
    for node in nodes:
        if node.path.startswith("/dev/"):
            _make(device, node, node.path[5:], ids)
    for name, target in LINKS:
        if f"/dev/{name}" not in taken:
            os.symlink(target, name, dir_fd=device)
            os.chown(name, *root, dir_fd=device, follow_symlinks=False)
    return device


def open_loose(nodes: Sequence[Node], ids: IdMap, scratch: str) -> tuple[int, ...]:
    """A detached mount for each node, to be put where it belongs: for roots whose /dev is not the engine's, and paths elsewhere.

    `scratch` is a directory that is covered meanwhile: the caller must have a mount namespace of its own.
    """
    mounts.mount("tmpfs", scratch, "tmpfs", mounts.MS_NOSUID | mounts.MS_NOEXEC, "mode=0700,size=1m")
    found = []
    directory = os.open(scratch, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for number, node in enumerate(nodes):
            _make(directory, node, str(number), ids)
            found.append(mounts.open_tree(str(number), directory=directory))
    finally:
        os.close(directory)
        mounts.unmount(scratch)
    return tuple(found)


def _make(directory: int, node: Node, name: str, ids: IdMap) -> None:
    above = name.rpartition("/")[0]
    if above:
        _make_parents(directory, above, ids)
    try:
        os.mknod(name, node.kind | node.mode, os.makedev(node.major, node.minor), dir_fd=directory)
        uid, gid = ids.uid(node.uid), ids.gid(node.gid)
        if uid or gid:
            os.chown(name, uid, gid, dir_fd=directory)
        # umask(2) took its part; and a change of owner drops bits.
        os.chmod(name, node.mode, dir_fd=directory)
    except FileExistsError:
        raise Conflict(f"linux.devices: {node.path} is there already") from None
    except OSError as error:
        raise from_os(error, f"make the device node {node.path}") from error


def _make_parents(directory: int, path: str, ids: IdMap) -> None:
    here = ""
    for part in path.split("/"):
        here = f"{here}/{part}".lstrip("/")
        try:
            os.mkdir(here, 0o755, dir_fd=directory)
        except FileExistsError:
            continue
        os.chown(here, ids.uid(0), ids.gid(0), dir_fd=directory)
