# SPDX-License-Identifier: GPL-3.0-or-later
"""RFC 3339 times are read as the standard library reads them, and what is none is 0."""

from __future__ import annotations

import calendar
import random
import time

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.image.config import read_created, show_created


def test_every_time_is_what_it_was() -> None:
    dice = random.Random(1)
    for _unused in range(2000):
        moment = dice.randrange(253402300800 * 10**9)
        text = show_created(moment)
        assert read_created(text) == moment
        whole = calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
        assert moment // 10**9 == whole


@pytest.mark.parametrize("text", [
    "", "Z", "2001-02-29T00:00:00Z", "2001-13-01T00:00:00Z", "2001-00-01T00:00:00Z", "2001-01-00T00:00:00Z",
    "2001-01-01 00:00:00Z", "2001-01-01T24:00:00Z", "2001-1-1T0:0:0Z", "2001-01-01T00:00:00", "0000-01-01T00:00:00Z",
    "2001-01-01T00:00:0\u0661Z", "2001-01-01T00:00:00.xZ",
])  # fmt: skip
def test_what_is_no_time_is_zero(text: str) -> None:
    assert read_created(text) == 0


def test_a_leap_day_and_a_time_before_1970() -> None:
    assert read_created("2000-02-29T12:00:00Z") == 951825600 * 10**9
    assert read_created("1969-12-31T23:59:59Z") == -(10**9)
