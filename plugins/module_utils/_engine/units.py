# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes in bytes, durations in seconds, CPUs in millionths: what people write, converted once."""

from __future__ import annotations

from .errors import InvalidSpec

_SIZE = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DIGITS = frozenset("0123456789")


def parse_size(value: object, option: str = "size") -> int:
    """Bytes from 67108864, "64M", "64MiB", "1.5g" or "64mb" (powers of 1024, as Docker means them)."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise InvalidSpec(f"{option}: {value} is negative")
        return value
    text = str(value).strip().lower()
    number, unit = _split(text)
    for ending in ("ib", "b"):
        if unit.endswith(ending):
            unit = unit[: -len(ending)]
            break
    if not number or unit not in _SIZE:
        raise InvalidSpec(f"{option}: {value!a} is no size: write a number and a unit, such as 64M or 1.5G")
    return int(_number(number, option, value) * _SIZE[unit])


def parse_duration(value: object, option: str = "duration") -> float:
    """Seconds from 10, "10", "1m30s", "250ms"."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _not_negative(float(value), option)
    rest, total = str(value).strip().lower(), 0.0
    if not rest:
        raise InvalidSpec(f"{option}: an empty duration: write a number and a unit, such as 30s")
    while rest:
        number, tail = _split(rest)
        unit = ""
        while tail and tail[0] not in _DIGITS and tail[0] != ".":
            unit, tail = unit + tail[0], tail[1:]
        if not number or (unit or "s") not in _SECONDS:
            raise InvalidSpec(f"{option}: {value!a} is no duration: write a number and a unit, such as 30s or 1m30s")
        total += _number(number, option, value) * _SECONDS[unit or "s"]
        rest = tail
    return total


def parse_cpus(value: object, option: str = "cpus") -> float:
    """A positive number of CPUs from 0.5, "0.5", 2."""
    number = _number(str(value).strip(), option, value) if not isinstance(value, bool) else -1.0
    if number <= 0:
        raise InvalidSpec(f"{option}: {value!a} is no number of CPUs: write a number above 0, such as 0.5")
    return number


def show_size(count: int) -> str:
    """A size for people: 67108864 -> "64.0MiB"."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{count}B" if unit == "B" else f"{size:.1f}{unit}"
        size /= 1024
    return ""


def _split(text: str) -> tuple[str, str]:
    end = 0
    while end < len(text) and (text[end] in _DIGITS or text[end] == "."):
        end += 1
    return text[:end], text[end:].strip()


def _number(text: str, option: str, value: object) -> float:
    try:
        if not text or not (_DIGITS | {"."}).issuperset(text):
            raise ValueError
        return float(text)
    except ValueError:
        raise InvalidSpec(f"{option}: {value!a} is no number") from None


def _not_negative(number: float, option: str) -> float:
    if not 0 <= number < 1e12:
        raise InvalidSpec(f"{option}: {number} is out of range")
    return number
