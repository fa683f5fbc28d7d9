# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes, durations, CPUs and names: what people write, and what they must not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.names import LONGEST, check_name, is_id, new_id
from ansible_collections.berth.containers.plugins.module_utils._engine.units import (
    parse_cpus,
    parse_duration,
    parse_size,
    show_size,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [(5, 5), ("5", 5), ("64M", 64 << 20), ("64MiB", 64 << 20), ("64mb", 64 << 20), ("1.5g", 3 << 29), ("1 k", 1024), ("2T", 2 << 40),
     ("10b", 10), (" 7 ", 7), ("0", 0)],
)  # fmt: skip
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "bad",
    ["", "M", "-1", -1, "1x", "1MM", "0x10", "1_0", "٣", "1e3", "nan", "inf", True, None, "1.2.3", "+5", [], "5 5"],
)
def test_no_sizes(bad: object) -> None:
    with pytest.raises(InvalidSpec, match="memory"):
        parse_size(bad, "memory")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(10, 10), ("10", 10), (0.5, 0.5), ("250ms", 0.25), ("1m30s", 90), ("1h", 3600), ("0", 0), ("2.5s", 2.5)],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "bad", ["", "s", "10x", "-5", -5, "1m-", "10 years", True, None, float("nan"), float("inf"), "٣s"]
)
def test_no_durations(bad: object) -> None:
    with pytest.raises(InvalidSpec, match="stop_timeout"):
        parse_duration(bad, "stop_timeout")


def test_cpus() -> None:
    assert (parse_cpus("0.5"), parse_cpus(2), parse_cpus(1.25)) == (0.5, 2, 1.25)
    for bad in ("", "0", 0, -1, "-1", "many", True, None, "1e1", "nan"):
        with pytest.raises(InvalidSpec, match="cpus"):
            parse_cpus(bad)


@given(st.integers(0, 1 << 50))
def test_sizes_for_people_keep_their_order_of_magnitude(size: int) -> None:
    shown = show_size(size)
    assert abs(parse_size(shown) - size) <= size * 0.06 + 1


@pytest.mark.parametrize("name", ["a", "Web-1", "0", "a.b_c-d", "x" * LONGEST])
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", None, 5, "-a", ".a", "_a", "..", "a/b", "a\0", "a\n", "a b", "é", "x" * (LONGEST + 1), "a:b", "a@b", "\u0661"],
)
def test_no_names(name: object) -> None:
    with pytest.raises(InvalidSpec) as caught:
        check_name(name, "network")
    assert "network" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "\0" not in str(caught.value)


@given(st.text(max_size=200))
def test_a_name_is_safe_as_a_file(name: str) -> None:
    try:
        check_name(name)
    except InvalidSpec:
        return
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", name)


def test_ids() -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", new_id())
    assert new_id() != new_id()
    assert is_id(new_id()[:12])
    assert not any(map(is_id, ("", "A", "g", "a" * 65, "../")))
