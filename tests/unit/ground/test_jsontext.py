# SPDX-License-Identifier: GPL-3.0-or-later
"""Our JSON is the standard library's, to the byte."""

from __future__ import annotations

import json
import subprocess
import sys
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
    with pytest.raises(ValueError, match="not JSON compliant"):
        jsontext.dumps([number])


def test_what_json_has_no_form_for_is_named() -> None:
    with pytest.raises(TypeError, match="bytes is nothing that JSON holds"):
        jsontext.dumps({"a": [b""]})


def test_a_python_without_the_c_half_does_the_same() -> None:
    """Such a one has no `_json`; None in sys.modules makes importing it fail."""
    words = (
        "import sys; sys.modules['_json'] = None\n"
        "from importlib.util import module_from_spec, spec_from_file_location\n"
        f"spec = spec_from_file_location('jsontext', {jsontext.__file__!r})\n"
        "jsontext = module_from_spec(spec); spec.loader.exec_module(jsontext)\n"
        'print(jsontext.dumps({"b": [1, None, 2.5], "a": "\\u2603"}), jsontext.loads("[1]"), jsontext.dumps("\\xfc", ascii_only=False))\n'
        "try: jsontext.dumps(float('nan'))\n"
        "except ValueError: print('refused')"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", words], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert done.stdout == '{"a":"\\u2603","b":[1,null,2.5]} [1] "\xfc"\nrefused\n'


def test_whole_numbers_are_read_as_asked() -> None:
    assert jsontext.loads('{"a": [12, 1.5]}', integer=lambda text: -int(text)) == {"a": [-12, 1.5]}
