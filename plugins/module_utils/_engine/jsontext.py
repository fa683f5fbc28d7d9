# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON as the standard library reads and writes it, without the 8 ms that importing its regular expressions costs at every start."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    def _scanner(rules: object) -> Callable[[str, int], tuple[Any, int]]: ...

    def _quote(text: str) -> str: ...

    def _quote_unicode(text: str) -> str: ...

else:
    try:
        # The C half of CPython's json; a Python without it pays for the whole.
        from _json import encode_basestring as _quote_unicode
        from _json import encode_basestring_ascii as _quote
        from _json import make_scanner as _scanner
    except ImportError:
        from json.encoder import encode_basestring as _quote_unicode
        from json.encoder import encode_basestring_ascii as _quote
        from json.scanner import make_scanner as _scanner

_BLANK = " \t\n\r"
_NO_NUMBERS = ("nan", "inf", "-inf")


class _Rules:
    """What json.JSONDecoder would tell the scanner."""

    strict = True
    object_hook = None
    parse_float = float

    def __init__(
        self,
        pairs: Callable[[list[tuple[str, Any]]], Any] | None,
        constant: Callable[[str], Any] | None,
        integer: Callable[[str], int],
    ) -> None:
        self.parse_int = integer
        self.object_pairs_hook = pairs
        self.parse_constant = constant or _refuse
        self.memo: dict[str, str] = {}


def loads(
    data: bytes | str,
    *,
    pairs: Callable[[list[tuple[str, Any]]], Any] | None = None,
    constant: Callable[[str], Any] | None = None,
    integer: Callable[[str], int] = int,
) -> Any:
    """The value of one JSON text; bytes must be UTF-8. ValueError (also for NaN and Infinity), RecursionError.

    `pairs` makes each object from its (key, value) pairs, `constant` the value of NaN and Infinity, `integer` that of a whole
    number, as in json.loads.
    """
    text = (data.decode("utf-8") if isinstance(data, bytes) else data).strip(_BLANK)
    try:
        value, end = _scanner(_Rules(pairs, constant, integer))(text, 0)
    except StopIteration as stop:
        raise ValueError(f"no JSON value at character {stop.value}") from None
    if end != len(text):
        raise ValueError(f"more text after the JSON value at character {end}")
    return value


def dumps(value: Any, *, ascii_only: bool = True) -> str:
    """Compact JSON, keys sorted: equal values give equal text. In ASCII unless told otherwise. ValueError for NaN and Infinity."""
    return _dumps(value, _quote if ascii_only else _quote_unicode)


def _dumps(value: Any, quote: Callable[[str], str]) -> str:
    if isinstance(value, str):
        return quote(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        text = repr(value)
        return _refuse(text) if text in _NO_NUMBERS else text
    if isinstance(value, dict):
        return f"{{{','.join(f'{quote(key)}:{_dumps(value[key], quote)}' for key in sorted(value))}}}"
    if isinstance(value, (list, tuple)):
        # Long lists of names are what takes time: no call of ours for each.
        parts = [quote(item) if isinstance(item, str) else _dumps(item, quote) for item in value]
        return f"[{','.join(parts)}]"
    raise TypeError(f"{type(value).__name__} is nothing that JSON holds")


def _refuse(text: str) -> str:
    raise ValueError(f"{text} is not JSON")
