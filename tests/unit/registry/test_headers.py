# SPDX-License-Identifier: GPL-3.0-or-later
"""What headers say about when and where to ask again, and what TLS is told."""

from __future__ import annotations

import ssl

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec, Refused
from ansible_collections.berth.containers.plugins.module_utils._engine.registry import headers, tls
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.endpoint import parse_url


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5.0), (" 120 ", 120.0), ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0), ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0), ("", None),
        ("soon", None), ("-5", None), ("9" * 400, 999999999.0),
    ],
)  # fmt: skip
def test_retry_after(text: str, seconds: float | None) -> None:
    assert headers.retry_after(text, 10.0) == seconds


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://b/x?y=1", "https://b/x?y=1"),
        ("/x", "https://a/x"),
        ("/x/../y", "https://a/y"),
        ("c", "https://a/v2/c"),
        ("//b:81/x", "https://b:81/x"),
        ("?d=1", "https://a/v2/b?d=1"),
    ],
)
def test_locations(location: str, url: str) -> None:
    origin, path = headers.resolve(*parse_url("https://a/v2/b"), location)
    assert f"{origin}{path}" == url


@pytest.mark.parametrize(
    "location", ["ftp://a/", "https://u@b/", "https://b b/", "file:///etc/passwd", "https://b:99999/"]
)
def test_no_locations(location: str) -> None:
    with pytest.raises(Refused):
        headers.resolve(*parse_url("https://a/v2/b"), location)


def test_tls_options_name_what_is_wrong(tmp_path: object) -> None:
    for options in (
        {"ca_cert": "/nope"},
        {"ca_cert": "/etc/passwd"},
        {"client_cert": "/nope"},
        {"client_key": "/etc/passwd"},
    ):
        with pytest.raises(InvalidSpec, match=next(iter(options))):
            tls.open_context(tls.Trust(**options))


def test_certificates_are_wanted_whichever_cas_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for host_cas in (tls.ALL, tls.LAZY, tls.NONE):
        context = tls.open_context(tls.Trust(), host_cas)
        assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
    assert not tls.open_context(tls.Trust(), tls.NONE).get_ca_certs()
    assert tls.open_context(tls.Trust(validate_certs=False)).verify_mode == ssl.CERT_NONE
