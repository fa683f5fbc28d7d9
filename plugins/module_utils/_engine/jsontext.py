# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON as the standard library reads and writes it, without the 8 ms that importing its regular expressions costs at every start."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    def _scanner(rules: object) -> Callable[[str, int], tuple[Any, int]]: ...

    def _quote(text: str) -> str: ...

else:
    try:
        # The C half of CPython's json; a Python without it pays for the whole.
        from _json import encode_basestring_ascii as _quote
        from _json import make_scanner as _scanner
    except ImportError:
        from json.encoder import encode_basestring_ascii as _quote
        from json.scanner import make_scanner as _scanner

_BLANK = " \t\n\r"


class _Rules:
    """What json.JSONDecoder would tell the scanner."""

    strict = True
    object_hook = None
    parse_float = float
    parse_int = int

    def __init__(
        self, pairs: Callable[[list[tuple[str, Any]]], Any] | None, constant: Callable[[str], Any] | None
    ) -> None:
        self.object_pairs_hook = pairs
        self.parse_constant = constant or _refuse
        self.memo: dict[str, str] = {}


def loads(
    data: bytes | str,
    *,
    pairs: Callable[[list[tuple[str, Any]]], Any] | None = None,
    constant: Callable[[str], Any] | None = None,
) -> Any:
    """The value of one JSON text; bytes must be UTF-8. ValueError (also for NaN and Infinity), RecursionError.

    `pairs` makes each object from its (key, value) pairs, `constant` the value of NaN and Infinity, as in json.loads.
    """
    text = (data.decode("utf-8") if isinstance(data, bytes) else data).strip(_BLANK)
    try:
        value, end = _scanner(_Rules(pairs, constant))(text, 0)
    except StopIteration as stop:
        raise ValueError(f"no JSON value at character {stop.value}") from None
    if end != len(text):
        raise ValueError(f"more text after the JSON value at character {end}")
    return value


def dumps(value: Any) -> str:
    """Compact JSON in ASCII, keys sorted: equal values give equal text."""
    if isinstance(value, str):
        return _quote(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, dict):
        return f"{{{','.join(f'{_quote(key)}:{dumps(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(dumps, value))}]"
    raise TypeError(f"{type(value).__name__} is nothing that JSON holds")


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is not JSON")
