# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON as the standard library reads and writes it, without the 8 ms that importing its regular expressions costs at every start."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    def _encoder(
        markers: None,
        default: Callable[[object], object],
        quote: Callable[[str], str],
        indent: None,
        colon: str,
        comma: str,
        sort_keys: bool,
        skip_keys: bool,
        allow_nan: bool,
    ) -> Callable[[object, int], Iterable[str]]: ...

    def _scanner(rules: object) -> Callable[[str, int], tuple[Any, int]]: ...

    def _quote(text: str) -> str: ...

    def _quote_unicode(text: str) -> str: ...

else:
    try:
        # The C half of CPython's json; a Python without it pays for the whole.
        from _json import encode_basestring as _quote_unicode
        from _json import encode_basestring_ascii as _quote
        from _json import make_encoder as _encoder
        from _json import make_scanner as _scanner
    except ImportError:
        from json import JSONDecoder as _Decoder
        from json import JSONEncoder as _Encoder
        from json.encoder import encode_basestring as _quote_unicode
        from json.encoder import encode_basestring_ascii as _quote

        def _encoder(_markers, default, quote, _indent, colon, comma, sort_keys, _skip_keys, allow_nan):
            return lambda value, _level: _Encoder(
                default=default,
                ensure_ascii=quote is _quote,
                separators=(comma, colon),
                sort_keys=sort_keys,
                allow_nan=allow_nan,
            ).iterencode(value)

        def _scanner(rules):
            return _Decoder(
                object_pairs_hook=rules.object_pairs_hook,
                parse_int=rules.parse_int,
                parse_constant=rules.parse_constant,
            ).scan_once


_BLANK = " \t\n\r"


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
    quote = _quote if ascii_only else _quote_unicode
    return "".join(_encoder(None, _refuse_kind, quote, None, ":", ",", True, False, False)(value, 0))


def _refuse_kind(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is nothing that JSON holds")


def _refuse(text: str) -> str:
    raise ValueError(f"{text} is not JSON")
