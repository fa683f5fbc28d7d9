# SPDX-License-Identifier: GPL-3.0-or-later
"""What headers say about when and where to ask again."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec, Refused
from ansible_collections.berth.containers.plugins.module_utils._engine.registry import transport
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.endpoint import parse_url


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5.0), (" 120 ", 120.0), ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0), ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0), ("", None),
        ("soon", None), ("-5", None), ("9" * 400, 999999999.0),
    ],
)  # fmt: skip
def test_retry_after(text: str, seconds: float | None) -> None:
    assert transport.retry_after(text, 10.0) == seconds


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://b/x?y=1", "https://b/x?y=1"),
        ("/x", "https://a/x"),
        ("c", "https://a/v2/c"),
        ("//b:81/x", "https://b:81/x"),
        ("?d=1", "https://a/v2/b?d=1"),
    ],
)
def test_locations(location: str, url: str) -> None:
    origin, path = transport.resolve(*parse_url("https://a/v2/b"), location)
    assert f"{origin}{path}" == url


@pytest.mark.parametrize(
    "location", ["ftp://a/", "https://u@b/", "https://b b/", "file:///etc/passwd", "https://b:99999/"]
)
def test_no_locations(location: str) -> None:
    with pytest.raises(Refused):
        transport.resolve(*parse_url("https://a/v2/b"), location)


def test_tls_options_name_what_is_wrong(tmp_path: object) -> None:
    for options in (
        {"ca_cert": "/nope"},
        {"ca_cert": "/etc/passwd"},
        {"client_cert": "/nope"},
        {"client_key": "/etc/passwd"},
    ):
        with pytest.raises(InvalidSpec, match=next(iter(options))):
            transport._open_context(transport.Trust(**options))
