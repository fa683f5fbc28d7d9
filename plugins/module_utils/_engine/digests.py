# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests as text, checked by hand before one becomes part of a path."""

from __future__ import annotations

import sys

from .errors import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import _Hash

PREFIX = "sha256:"
_HEX = frozenset("0123456789abcdef")


def is_digest(text: object) -> bool:
    """Whether `text` is exactly sha256: and 64 lower-case hexadecimal digits."""
    return isinstance(text, str) and len(text) == 71 and text.startswith(PREFIX) and _HEX.issuperset(text[7:])


def hex_of(digest: object) -> str:
    """The 64 digits of a digest; Refused for anything else."""
    if not is_digest(digest):
        raise Refused(f"{str(digest)[:80]!a} is no sha256 digest")
    return str(digest)[7:]


def light_sha256(data: bytes = b"") -> _Hash:
    """CPython's own SHA-256, for little: to load OpenSSL's takes longer (3 ms) than the hash itself. OpenSSL's where it is alone."""
    if TYPE_CHECKING:
        from hashlib import sha256 as own
    else:
        try:
            # To look for the one that this Python has not would cost 0.1 ms each time.
            if sys.version_info >= (3, 12):
                from _sha2 import sha256 as own
            else:
                from _sha256 import sha256 as own
        except ImportError:
            from hashlib import sha256 as own
    return own(data)


def sha256(data: bytes) -> str:
    """The digest of bytes."""
    return PREFIX + light_sha256(data).hexdigest()


def chain(diff_ids: tuple[str, ...]) -> tuple[str, ...]:
    """The chain id of every layer, lowest first (OCI image spec, config, "Layer ChainID")."""
    ids: list[str] = []
    for diff_id in diff_ids:
        hex_of(diff_id)
        ids.append(sha256(f"{ids[-1]} {diff_id}".encode()) if ids else diff_id)
    return tuple(ids)
