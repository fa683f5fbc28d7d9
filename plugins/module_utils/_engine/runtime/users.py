# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a container's process is: names are looked up in the container's own passwd and group files, which may be hostile."""

from __future__ import annotations

import errno
import os
import stat

from ..errors import InvalidSpec, KernelError
from ..kernel import files
from ..values import Value

_LARGEST_FILE = 1 << 20
_LARGEST_ID = (1 << 31) - 1
_DIGITS = frozenset("0123456789")
_HERE = -100  # AT_FDCWD


class Identity(Value):
    """Numeric ids as the container sees them, and the home directory that goes with them."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"


def look_up(user: str, extra_groups: tuple[str, ...] = ()) -> Identity:
    """The identity of `user`: "", "name", "uid", "name:group" or "uid:gid" (Docker's grammar), in the current root.

    A name or a group that is not there is InvalidSpec, never root.
    """
    who, _unused, group = (user or "0").partition(":")
    entry = _passwd_entry(who)
    number = _as_id(who)
    if entry is None and number is None:
        raise InvalidSpec(f"user {who!a} is not in the container's /etc/passwd: use a number, or an image that has it")
    uid, gid, home, name = entry or (number or 0, 0, "/", "")
    groups = _groups_of(name) if name and not group else ()
    if group:
        gid = _group_id(group)
    return Identity(uid=uid, gid=gid, groups=(*groups, *(_group_id(item) for item in extra_groups)), home=home)


def by_numbers(uid: int, gid: int, extra_groups: tuple[int, ...] = ()) -> Identity:
    """The identity of config.json's "user", whose home the container's /etc/passwd may know. InvalidSpec for no id at all."""
    for number in (uid, gid, *extra_groups):
        # The highest one means "leave it as it is" to the system calls.
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < (1 << 32) - 1:
            raise InvalidSpec(f"process.user: {number!a} is no id")
    entry = _passwd_entry(str(uid))
    return Identity(uid=uid, gid=gid, groups=extra_groups, home=entry[2] if entry else "/")


def _as_id(text: str) -> int | None:
    """[0-9]{1,10} in ASCII and at most 2^31-1; int() would take blanks, signs, underscores and other digits."""
    if 0 < len(text) <= 10 and _DIGITS.issuperset(text) and int(text) <= _LARGEST_ID:
        return int(text)
    return None


def _passwd_entry(who: str) -> tuple[int, int, str, str] | None:
    for fields in _rows("/etc/passwd", 7):
        uid, gid = _as_id(fields[2]), _as_id(fields[3])
        if uid is None or gid is None:
            continue
        if fields[0] == who or fields[2] == who:
            return uid, gid, fields[5] or "/", fields[0]
    return None


def _group_id(group: str) -> int:
    for fields in _rows("/etc/group", 4):
        gid = _as_id(fields[2])
        if gid is not None and group in (fields[0], fields[2]):
            return gid
    number = _as_id(group)
    if number is None:
        raise InvalidSpec(
            f"group {group!a} is not in the container's /etc/group: use a number, or an image that has it"
        )
    return number


def _groups_of(name: str) -> tuple[int, ...]:
    found = (_as_id(fields[2]) for fields in _rows("/etc/group", 4) if name in fields[3].split(","))
    return tuple(gid for gid in found if gid is not None)


def _rows(path: str, columns: int) -> list[list[str]]:
    text = _read(path)
    rows = (line.split(":") for line in text.split("\n") if line and not line.startswith("#"))
    return [row for row in rows if len(row) == columns]


def _read(path: str) -> str:
    """Bounded, regular files only: the container could have put a FIFO or a device there."""
    try:
        descriptor = _open(path)
    except (OSError, KernelError) as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EACCES):
            return ""
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return os.read(descriptor, _LARGEST_FILE).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    """A link of the container's stays in its root; the kernel's own links might not."""
    flags = os.O_RDONLY | os.O_NONBLOCK
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    return files.openat2(_HERE, path, flags, resolve=files.NO_MAGICLINKS)
