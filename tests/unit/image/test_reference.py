# SPDX-License-Identifier: GPL-3.0-or-later
"""Image names by the grammar of Docker and OCI."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.image.reference import Reference, parse, parse_id

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("base", "base:latest"),
        ("base:1.0", "base:1.0"),
        ("a/b/c:t", "a/b/c:t"),
        ("docker.io/library/base", "base:latest"),
        ("docker.io/me/app:2", "me/app:2"),
        ("docker.io/library/a/b", "library/a/b:latest"),
        ("quay.io/x/y", "quay.io/x/y:latest"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x:y", "localhost:5000/x:y"),
        ("[::1]:5000/x", "[::1]:5000/x:latest"),
        ("HOST/x", "HOST/x:latest"),
        ("a__b/c--d.e_f", "a__b/c--d.e_f:latest"),
        ("base:_x", "base:_x"),
        ("x:" + "t" * 128, "x:" + "t" * 128),
    ],
)
def test_a_name_has_one_normal_form(text: str, name: str) -> None:
    assert parse(text).name == name
    assert parse(parse(text).name) == parse(text)


def test_a_digest_goes_beside_a_name() -> None:
    assert parse(f"base@{DIGEST}") == Reference(repository="base", digest=DIGEST)
    assert parse(f"base:1@{DIGEST}") == Reference(repository="base", tag="1", digest=DIGEST)


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        "",
        " ",
        "Base",
        "base:",
        ":tag",
        "base:-x",
        "base:.x",
        "x:" + "t" * 129,
        "a//b",
        "/a",
        "a/",
        "-a",
        "a-",
        "a..b",
        "a___b",
        "a_-b",
        "../x",
        "a/../b",
        "a b",
        "a\nb",
        "a\0b",
        "ü",
        "a" * 256,
        "a" * 64,
        "base@",
        "base@sha256:xyz",
        f"base@{DIGEST}0",
        f"@{DIGEST}",
        "host.:x/y",
        "ho_st.com/x",
        "h.com:/x",
        "h.com:8a/x",
        "a:b:c",
        "\u0661",
    ],
)
def test_malformed_names_are_refused_in_one_line(text: object) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        (DIGEST, "a" * 64),
        ("a" * 64, "a" * 64),
        ("abcdef012345", "abcdef012345"),
        ("abcdef01234", ""),
        ("ABCDEF012345", ""),
        ("base", ""),
        (None, ""),
    ],
)
def test_ids_have_at_least_twelve_digits(text: object, digits: str) -> None:
    assert parse_id(text) == digits


COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")


@given(st.text("ab1._-", min_size=1, max_size=9))
def test_components_are_those_of_the_published_grammar(text: str) -> None:
    try:
        parse(text)
    except InvalidSpec:
        assert not COMPONENT.fullmatch(text)
    else:
        assert COMPONENT.fullmatch(text)
