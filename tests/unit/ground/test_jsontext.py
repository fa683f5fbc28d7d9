# SPDX-License-Identifier: GPL-3.0-or-later
"""Our JSON is the standard library's, to the byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine import jsontext

VALUES: list[Any] = [
    {"b": [1, -2, 3.5, 1e300, True, False, None], "a": {"ü": "snow \u2603 \U0001f600", 'q"': "\\ \n\t\x00\x7f\u2028"}},
    [], {}, "", 0, [[{}]],
]  # fmt: skip


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("value", VALUES)
def test_it_writes_what_the_standard_library_writes(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=ascii_only)
    assert jsontext.dumps(value, ascii_only=ascii_only) == text
    assert jsontext.loads(text) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_json_number_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="is not JSON"):
        jsontext.dumps([number])


def test_whole_numbers_are_read_as_asked() -> None:
    assert jsontext.loads('{"a": [12, 1.5]}', integer=lambda text: -int(text)) == {"a": [-12, 1.5]}
