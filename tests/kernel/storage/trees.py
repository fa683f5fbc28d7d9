# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees with one of every kind of file, and what the kernel says about a tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.berth.containers.plugins.module_utils._engine.kernel.mounts import mount, unmount
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths

# cap_net_bind_service=ep, as setcap writes it (revision 2).
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
DATED = 1_700_000_000 * 10**9

Facts = dict[bytes, tuple[object, ...]]


@contextmanager
def state(path: str) -> Iterator[Paths]:
    """A root of the engine's own in `path`; its run-time directory is gone afterwards."""
    paths = Paths(path)
    paths.prepare()
    try:
        yield paths
    finally:
        shutil.rmtree(paths.run)


def make_tree(root: str, *, with_socket: bool = True) -> None:
    """One of every kind, with everything that gets lost easily."""
    raw = os.fsencode(root)
    os.makedirs(raw + b"/dir/empty")
    _file(raw + b"/dir/plain", b"plain" * 100)
    _file(raw + b"/big", os.urandom(3 << 20))
    _file(raw + b"/empty", b"")
    _file(raw + b"/setuid", b"#!", mode=0o4755, owner=(0, 7))
    _file(raw + b"/setgid", b"#!", mode=0o2711, owner=(1000, 1000))
    _file(raw + b"/capable", b"#!", mode=0o755)
    os.setxattr(raw + b"/capable", "security.capability", CAPABILITY)
    _file(raw + b"/attributed", b"x", owner=(65534, 65534))
    os.setxattr(raw + b"/attributed", "user.colour", b"blue\0green")
    os.setxattr(raw + b"/dir", "trusted.kept", b"yes")
    _file(raw + b"/n\xc3\xb6n-\xff-utf8\nline", b"odd")
    _file(raw + b"/" + b"l" * 250, b"long")
    os.makedirs(raw + b"/" + b"/".join([b"deep" * 20] * 5))
    os.link(raw + b"/dir/plain", raw + b"/hardlink")
    os.symlink(b"../../etc/passwd", raw + b"/dir/symlink")
    os.symlink(b"t" * 300, raw + b"/longlink")
    os.link(raw + b"/longlink", raw + b"/dir/linked-symlink", follow_symlinks=False)
    os.lchown(raw + b"/longlink", 5, 6)
    os.mkfifo(raw + b"/fifo", 0o640)
    os.mknod(raw + b"/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(raw + b"/disk", stat.S_IFBLK | 0o660, os.makedev(7, 200))
    with open(raw + b"/sparse", "wb") as file:
        file.seek(5 << 20)
        file.write(b"middle")
        file.truncate(64 << 20)
    _directory(raw + b"/sticky", 0o1777)
    _directory(raw + b"/private", 0o2750, (12, 34))
    if with_socket:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(raw + b"/dir/socket")
    _date(raw)


def _file(path: bytes, data: bytes, *, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> None:
    with open(path, "wb") as file:
        file.write(data)
    os.chown(path, *owner)
    os.chmod(path, mode)


def _directory(path: bytes, mode: int, owner: tuple[int, int] = (0, 0)) -> None:
    os.mkdir(path)
    os.chown(path, *owner)
    os.chmod(path, mode)


def _date(root: bytes) -> None:
    """Times that differ, some with a fraction of a second."""
    number = 0
    for directory, inner, files in os.walk(root, topdown=False):
        for name in sorted(inner + files):
            number += 1
            when = DATED + number * 10**9 + (123_456_789 if number % 2 else 0)
            os.utime(directory + b"/" + name, ns=(when, when), follow_symlinks=False)
    os.utime(root, ns=(DATED, DATED))


def facts(root: str, *, times: bool = True) -> Facts:
    """Every name below `root`, and the root: kind, mode, owner, size, time, content, link, device, attributes, names in common."""
    raw = os.fsencode(root)
    inodes: dict[int, list[bytes]] = {}
    found: Facts = {}
    paths = [b""]
    for directory, inner, files in os.walk(raw):
        paths += [os.path.relpath(directory + b"/" + name, raw) for name in inner + files]
    for path in sorted(paths):
        status = os.lstat(raw + b"/" + path if path else raw)
        names = inodes.setdefault(status.st_ino, [])
        names.append(path)
        found[path] = (
            *_describe(raw + b"/" + path, status, times),
            names if not stat.S_ISDIR(status.st_mode) else None,
        )
    return found


def _describe(path: bytes, status: os.stat_result, times: bool) -> tuple[object, ...]:
    kind = stat.S_IFMT(status.st_mode)
    content: object = None
    if kind == stat.S_IFREG:
        with open(path, "rb") as file:
            content = (status.st_size, hashlib.sha256(file.read()).hexdigest())
    elif kind == stat.S_IFLNK:
        content = os.readlink(path)
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        content = (os.major(status.st_rdev), os.minor(status.st_rdev))
    names = sorted(
        name for name in os.listxattr(path, follow_symlinks=False) if not name.startswith("trusted.overlay.")
    )
    attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
    when = status.st_mtime_ns if times else None
    return (kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, when, content, attributes)


def ledger(root: str) -> dict[str, tuple[object, ...]]:
    """Everything that a write below `root` would change."""
    found: dict[str, tuple[object, ...]] = {}
    for directory, inner, files in os.walk(root):
        for name in [*inner, *files, "."]:
            status = os.lstat(f"{directory}/{name}")
            found[f"{directory}/{name}"] = (
                status.st_ino,
                status.st_mode,
                status.st_size,
                status.st_mtime_ns,
                status.st_ctime_ns,
            )
    return found


@contextmanager
def overlay(scratch: str, layers: tuple[str, ...], upper: str | None = None) -> Iterator[str]:
    """The layers (topmost first) as the kernel shows them, writable into `upper` when that is given."""
    os.makedirs(f"{scratch}/merged", exist_ok=True)
    os.makedirs(f"{scratch}/work", exist_ok=True)
    os.makedirs(f"{scratch}/none", exist_ok=True)
    lower = ":".join([*layers, f"{scratch}/none"])
    options = f"redirect_dir=off,metacopy=off,lowerdir={lower}"
    if upper:
        os.makedirs(upper, exist_ok=True)
        options += f",upperdir={upper},workdir={scratch}/work"
    mount("overlay", f"{scratch}/merged", "overlay", 0, options)
    try:
        yield f"{scratch}/merged"
    finally:
        unmount(f"{scratch}/merged")
