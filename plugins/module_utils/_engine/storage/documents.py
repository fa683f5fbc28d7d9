# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON documents of the OCI kind: read strictly, written canonically, so that equal documents have equal digests."""

from __future__ import annotations

from .. import jsontext
from ..errors import Refused
from ..mediatypes import DOCUMENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DIGITS = 30


def pack(document: dict[str, Any]) -> bytes:
    """Sorted keys, no blanks, UTF-8."""
    return jsontext.dumps(document, ascii_only=False).encode()


def unpack(data: bytes, what: str) -> dict[str, Any]:
    """The object in `data`. Refused: too long, not UTF-8, doubled keys (CVE-2021-41190), NaN, too deep, no object."""
    document = _parse(data, what)
    if not isinstance(document, dict):
        raise Refused(f"{what} is no JSON object")
    return document


def unpack_list(data: bytes, what: str) -> list[Any]:
    """The list in `data`, as strictly."""
    document = _parse(data, what)
    if not isinstance(document, list):
        raise Refused(f"{what} is no JSON list")
    return document


def _parse(data: bytes, what: str) -> Any:
    if len(data) > DOCUMENT:
        raise Refused(f"{what} has {len(data)} bytes: {DOCUMENT} are read")
    try:
        return jsontext.loads(data, pairs=_unique, constant=_no_constant, integer=_number)
    except (ValueError, RecursionError):
        raise Refused(f"{what} is no strict JSON document") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("doubled key")
    return result


def _number(text: str) -> int:
    # Older Pythons take minutes over the digits that fit into a document.
    if len(text) > _DIGITS:
        raise ValueError(text[:_DIGITS])
    return int(text)


def _no_constant(text: str) -> None:
    raise ValueError(text)
