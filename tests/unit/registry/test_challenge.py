# SPDX-License-Identifier: GPL-3.0-or-later
"""Challenges as registries send them, and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.registry.challenge import Challenge, parse

_TOKEN = st.text(alphabet="abcdefghijklmnopqrstuvwxyz-_.", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('Basic realm="x"', [("basic", {"realm": "x"})]),
        ("Basic", [("basic", {})]),
        ('BEARER Realm="https://a/t",service=s', [("bearer", {"realm": "https://a/t", "service": "s"})]),
        (
            'Bearer realm="a",scope="repository:x:pull,push"',
            [("bearer", {"realm": "a", "scope": "repository:x:pull,push"})],
        ),
        ('Basic realm="a, b", Bearer realm = "c"', [("basic", {"realm": "a, b"}), ("bearer", {"realm": "c"})]),
        ('Basic realm="a\\"b\\\\"', [("basic", {"realm": 'a"b\\'})]),
        ('Bearer realm="a", realm="b"', [("bearer", {"realm": "a"})]),
        ("Negotiate, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        (" , ,Basic realm=x,,", [("basic", {"realm": "x"})]),
        ('Bearer realm="cut', [("bearer", {})]),
        ("realm=x", []),
        ("", []),
    ],
)
def test_headers(header: str, found: list[tuple[str, dict[str, str]]]) -> None:
    assert parse(header) == tuple(Challenge(scheme=scheme, params=params) for scheme, params in found)


@given(st.text())
def test_any_text_is_read_to_some_end(text: str) -> None:
    for item in parse(text):
        assert item.scheme == item.scheme.lower() != ""


@given(
    _TOKEN, st.dictionaries(_TOKEN, st.text(alphabet=st.characters(max_codepoint=126, min_codepoint=32)), max_size=4)
)
def test_what_is_written_is_read(scheme: str, params: dict[str, str]) -> None:
    quoted = ", ".join(
        '{}="{}"'.format(key, value.replace("\\", "\\\\").replace('"', '\\"')) for key, value in params.items()
    )
    assert parse(f"{scheme} {quoted}") == (Challenge(scheme=scheme, params=params),)
