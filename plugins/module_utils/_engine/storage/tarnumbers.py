# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of a tar header, read strictly: int() would take blanks, signs, underscores and other scripts' digits."""

from __future__ import annotations

from ..errors import Refused

_OCTAL, _DECIMAL = frozenset(b"01234567"), frozenset(b"0123456789")
SECOND = 1_000_000_000


def read_number(field: bytes, what: str) -> int:
    """An octal field (blanks before, NULs or blanks after), or GNU's base-256 with its top bit set."""
    if field[0] & 0x80:
        value = (
            int.from_bytes(field, "big", signed=True)
            if field[0] == 0xFF
            else int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        )
        if field[0] not in (0x80, 0xFF) or not -(1 << 62) < value < 1 << 62:
            raise Refused(f"a tar header's {what} is out of range")
        return value
    digits = field.lstrip(b" ").rstrip(b" \0")
    if not _OCTAL.issuperset(digits):
        raise Refused(f"a tar header's {what} is no number: {field!a}")
    return int(digits, 8) if digits else 0


def read_decimal(text: bytes, what: str) -> int:
    """ASCII digits only, at most 20 of them."""
    if not text or len(text) > 20 or not _DECIMAL.issuperset(text):
        raise Refused(f"a tar header's {what} is no number: {text[:40]!a}")
    return int(text)


def read_time(text: bytes) -> int:
    """A PAX time such as b"1700000000.25" in nanoseconds; digits beyond nanoseconds are cut off."""
    negative = text.startswith(b"-")
    whole, _unused, fraction = text[1 if negative else 0 :].partition(b".")
    nanoseconds = (fraction[:9] + b"0" * 9)[:9] if _DECIMAL.issuperset(fraction) else b"?"
    value = read_decimal(whole, "mtime") * SECOND + read_decimal(nanoseconds, "mtime")
    return -value if negative else value


def show_time(nanoseconds: int) -> bytes:
    """The inverse of `read_time`."""
    sign, value = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    whole, fraction = divmod(value, SECOND)
    return f"{sign}{whole}.{fraction:09d}".rstrip("0").rstrip(".").encode() if fraction else f"{sign}{whole}".encode()
