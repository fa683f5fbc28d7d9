# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers, volumes and networks may be called, and the ids they get. Regular expressions are kept out: they cost 5 ms."""

from __future__ import annotations

import os

from .errors import InvalidSpec

LONGEST = 128
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_INNER = _LETTERS | frozenset("_.-")
_HEX = frozenset("0123456789abcdef")


def check_name(name: object, kind: str = "container") -> str:
    """`name` itself when it matches [A-Za-z0-9][A-Za-z0-9_.-]{0,127} (Docker's rule), else InvalidSpec."""
    if not isinstance(name, str) or not name:
        raise InvalidSpec(f"a {kind} needs a name")
    if len(name) > LONGEST:
        raise InvalidSpec(f"{kind} name {name[:20]!a}... has {len(name)} characters: use at most {LONGEST}")
    if name[0] not in _LETTERS or not _INNER.issuperset(name):
        raise InvalidSpec(
            f"{kind} name {name!a} is not usable: use letters, digits, _ . - and begin with a letter or digit"
        )
    return name


def new_id() -> str:
    """64 hexadecimal digits from the kernel's random source."""
    return os.urandom(32).hex()


def is_id(text: str) -> bool:
    """Whether `text` could be an id or the beginning of one."""
    return 0 < len(text) <= 64 and _HEX.issuperset(text)
