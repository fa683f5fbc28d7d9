# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of the options of resources beyond memory, cpus and pids_limit. Imported when one of them is given."""

from __future__ import annotations

from ..errors import InvalidSpec
from ..units import parse_size
from .reading import absolute, integer, items, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .spec import Spec

_UNSET = (0, "0", -1, "-1")
_MOST = (1 << 63) - 1
# The largest CONFIG_NR_CPUS and CONFIG_NODES_SHIFT there are.
_PROCESSORS = 8192
_LEAST_PERIOD, _LONGEST_PERIOD, _LEAST_QUOTA = 1000, 1_000_000, 1000
_PAGES = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))


def _swap(option: str, value: object) -> int | None:
    """Memory and swap together; -1 for no limit on swap."""
    if value in (-1, "-1"):
        return -1
    return parse_size(value, option) or None


def _size(option: str, value: object) -> int | None:
    return None if value in _UNSET else parse_size(value, option)


def _between(least: int, most: int, *, unset: tuple[object, ...] = _UNSET) -> Callable[[str, object], int | None]:
    """A number, or no opinion for what Docker takes as one."""

    def read(option: str, value: object) -> int | None:
        return None if value in unset and not isinstance(value, bool) else integer(option, value, least, most)

    return read


def _cpuset(option: str, value: object) -> str | None:
    """A list such as "0-3,7" in its shortest form (cpuset(7), List format)."""
    numbers: set[int] = set()
    for part in str(value).replace(" ", "").split(",") if value != "" else ():
        low, dash, high = part.partition("-")
        first = integer(option, low, 0, _PROCESSORS - 1)
        last = integer(option, high, 0, _PROCESSORS - 1) if dash else first
        if last < first:
            raise InvalidSpec(f"{option}: {part!a} ends before it begins")
        numbers.update(range(first, last + 1))
    return _ranges(sorted(numbers)) or None


def _ranges(numbers: list[int]) -> str:
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def _per_device(measure: Callable[[str, object], int], *keys: str) -> Callable[[str, object], tuple[str, ...]]:
    """A list of PATH:NUMBER, of Docker's {path, rate}, or a dictionary of path and number. The last one of a path wins."""

    def read(option: str, value: object) -> tuple[str, ...]:
        found = {absolute(option, path): measure(option, number) for path, number in _pairs(option, value, keys)}
        return tuple(f"{path}:{number}" for path, number in sorted(found.items()))

    return read


def _pairs(option: str, value: object, keys: tuple[str, ...]) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [(text(option, path), number) for path, number in value.items()]
    pairs: list[tuple[str, object]] = []
    for item in items(option, value) if isinstance(value, str) else _listed(option, value):
        if isinstance(item, dict) and set(item) == {"path", *keys}:
            pairs.append((text(option, item["path"]), item[keys[0]]))
            continue
        path, colon, number = text(option, item).rpartition(":")
        if not colon:
            raise InvalidSpec(f"{option}: {item!a} is not usable: write /dev/name:{keys[0]}")
        pairs.append((path, number))
    return pairs


def _listed(option: str, value: object) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise InvalidSpec(f"{option}: {value!a} is not a list")
    return tuple(value)


def _rate(option: str, value: object) -> int:
    return _above_zero(option, parse_size(value, option))


def _operations(option: str, value: object) -> int:
    return integer(option, value, 1, _MOST)


def _weight(option: str, value: object) -> int:
    return integer(option, value, 10, 1000)


def _above_zero(option: str, number: int) -> int:
    if not number:
        raise InvalidSpec(f"{option}: a rate of 0 would stop it for good: give more, or leave it out")
    return number


def _huge(option: str, value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        raise InvalidSpec(f"{option}: {value!a} is not a dictionary: write the size of the pages and the limit")
    pairs = {_page(option, page): parse_size(limit, f"{option}.{page}") for page, limit in value.items()}
    return dict(sorted(pairs.items()))


def _page(option: str, page: object) -> str:
    """As the kernel names the files of the controller, such as 2MB."""
    size = parse_size(page, option)
    for unit, name in _PAGES:
        if size and size % unit == 0 and size & (size - 1) == 0:
            return f"{size // unit}{name}"
    raise InvalidSpec(f"{option}: {page!a} is no size of a page: write one such as 2M or 1G")


READERS: dict[str, Callable[[str, object], Any]] = {
    "memory_swap": _swap,
    "memory_reservation": _size,
    "memory_swappiness": _between(0, 100, unset=(-1, "-1")),
    "cpu_shares": _between(2, 262_144, unset=(0, "0")),
    "cpu_quota": _between(_LEAST_QUOTA, _MOST),
    "cpu_period": _between(_LEAST_PERIOD, _LONGEST_PERIOD, unset=(0, "0")),
    "cpuset_cpus": _cpuset,
    "cpuset_mems": _cpuset,
    "blkio_weight": _between(10, 1000, unset=(0, "0")),
    "blkio_weight_device": _per_device(_weight, "weight"),
    "device_read_bps": _per_device(_rate, "rate"),
    "device_write_bps": _per_device(_rate, "rate"),
    "device_read_iops": _per_device(_operations, "rate"),
    "device_write_iops": _per_device(_operations, "rate"),
    "hugetlb_limits": _huge,
}


def check(spec: Spec) -> None:
    """InvalidSpec for options that contradict each other."""
    if spec.memory_swap is not None:
        if spec.memory is None:
            raise InvalidSpec("memory_swap is memory and swap together and needs memory: give both")
        if 0 <= spec.memory_swap < spec.memory:
            raise InvalidSpec("memory_swap is memory and swap together and can't be below memory: give more")
    if spec.memory is not None and spec.memory_reservation is not None and spec.memory_reservation > spec.memory:
        raise InvalidSpec("memory_reservation is above memory: give less")
    if spec.cpus is not None and (spec.cpu_quota is not None or spec.cpu_period is not None):
        raise InvalidSpec("cpus is cpu_quota and cpu_period in one: leave it, or both of them, out")
