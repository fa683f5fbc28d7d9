# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies what a directory of the image holds into the fresh file system that is about to cover it: the option tmpcopyup."""

from __future__ import annotations

import os
import stat

from ..errors import from_os

_CHUNK = 1 << 20
_DEEPEST = 256
_WHAT = "copy the image's directory into a tmpfs (tmpcopyup)"


def copy_up(source: int, target: int) -> None:
    """From directory to directory, by descriptors only: no link is followed. Sockets and devices are left out."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        # Given ones may be O_PATH.
        below, to = os.open(".", flags, dir_fd=source), os.open(".", flags, dir_fd=target)
    except OSError as error:
        raise from_os(error, _WHAT) from error
    try:
        _copy_all(below, to, 0)
        _copy_manners(os.fstat(below), to)
    except OSError as error:
        raise from_os(error, _WHAT) from error
    finally:
        os.close(below)
        os.close(to)


def _copy_all(source: int, target: int, depth: int) -> None:
    for name in os.listdir(source):
        found = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode) and depth < _DEEPEST:
            _copy_directory(source, target, name, found, depth)
        elif stat.S_ISREG(found.st_mode):
            _copy_file(source, target, name, found)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            os.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
        elif stat.S_ISFIFO(found.st_mode):
            os.mkfifo(name, stat.S_IMODE(found.st_mode), dir_fd=target)
            os.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)


def _copy_directory(source: int, target: int, name: str, found: os.stat_result, depth: int) -> None:
    os.mkdir(name, 0o700, dir_fd=target)
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    below, to = os.open(name, flags, dir_fd=source), os.open(name, flags, dir_fd=target)
    try:
        _copy_all(below, to, depth + 1)
        _copy_manners(found, to)
    finally:
        os.close(below)
        os.close(to)


def _copy_file(source: int, target: int, name: str, found: os.stat_result) -> None:
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    below = os.open(name, os.O_RDONLY | os.O_NONBLOCK | flags, dir_fd=source)
    to = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | flags, 0o600, dir_fd=target)
    try:
        while os.sendfile(to, below, None, _CHUNK):
            continue
        _copy_manners(found, to)
    finally:
        os.close(below)
        os.close(to)


def _copy_manners(found: os.stat_result, fd: int) -> None:
    os.fchown(fd, found.st_uid, found.st_gid)
    os.fchmod(fd, stat.S_IMODE(found.st_mode))
    os.utime(fd, ns=(found.st_atime_ns, found.st_mtime_ns))
