# SPDX-License-Identifier: GPL-3.0-or-later
"""A name leads to one place, and a URL from the net is read strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.image.reference import parse
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.endpoint import (
    endpoint,
    is_loopback,
    parse_url,
    split,
)


@pytest.mark.parametrize(
    ("repository", "place"),
    [
        ("base", ("docker.io", "library/base")),
        ("me/app", ("docker.io", "me/app")),
        ("quay.io/me/app", ("quay.io", "me/app")),
        ("localhost/app", ("localhost", "app")),
        ("localhost:5000/app", ("localhost:5000", "app")),
        ("[::1]:5000/a/b/c", ("[::1]:5000", "a/b/c")),
        ("index.docker.io/base", ("docker.io", "library/base")),
    ],
)
def test_a_repository_names_its_registry(repository: str, place: tuple[str, str]) -> None:
    assert split(repository) == place


def test_what_the_grammar_of_names_accepts_has_an_endpoint() -> None:
    for name in ("a", "a.b/c", "a:1/c", "localhost:65535/c", "[fe80::1]/c", "[::1]:1/c", "A.example/c"):
        assert endpoint(split(parse(name).repository)[0]).origin.scheme == "https"


@pytest.mark.parametrize(
    ("text", "plain", "url", "fallback"),
    [
        ("docker.io", False, "https://registry-1.docker.io", False),
        ("https://index.docker.io/", False, "https://registry-1.docker.io", False),
        ("quay.io", False, "https://quay.io", False),
        ("quay.io", True, "http://quay.io", False),
        ("quay.io:443", False, "https://quay.io", False),
        ("localhost:5000", False, "https://localhost:5000", True),
        ("127.3.4.5:5000", False, "https://127.3.4.5:5000", True),
        ("https://localhost:5000", False, "https://localhost:5000", False),
        ("[::1]:5000", False, "https://[::1]:5000", True),
        ("http://mirror.example:81", False, "http://mirror.example:81", False),
        ("Quay.IO", False, "https://quay.io", False),
    ],
)
def test_where_a_registry_is_asked(text: str, plain: bool, url: str, fallback: bool) -> None:
    found = endpoint(text, plain_http=plain)
    assert (str(found.origin), found.fallback) == (url, fallback)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "https://",
        "ftp://x",
        "x/y",
        "user@x",
        "x:0",
        "x:65536",
        "x:",
        "[::1",
        "[x]:5",
        "[::1]x",
        "[::1]:",
        "a\nb",
        None,
        5,
    ],
)
def test_no_registry(text: object) -> None:
    with pytest.raises(InvalidSpec):
        endpoint(text)


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.255.1.2", "::1"])
def test_this_host(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["127.0.0.1.evil.example", "128.0.0.1", "127.0.0.256", "::2", "localhost.example", "127.1", "x:y"]
)
def test_other_hosts(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "url",
    [
        "http://u:p@h/",
        "//h/",
        "/x",
        "ftp://h/",
        "http://h /",
        "http://h\r\nX: y/",
        "http://h\\@g/",
        "http://",
        "http://h:x/",
        "https://é/",
    ],
)
def test_no_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"URL|host"):
        parse_url(url)


@given(st.text())
def test_any_text_is_a_url_or_none(text: str) -> None:
    for url in (text, f"https://{text}"):
        try:
            origin, path = parse_url(url)
        except ValueError:
            continue
        assert path.startswith("/") and origin.host and 0 < origin.port < 65536
        assert parse_url(f"{origin}{path}") == (origin, path)
