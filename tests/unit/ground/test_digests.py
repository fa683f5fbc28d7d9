# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests: only the one spelling is one, because it becomes part of a path."""

from __future__ import annotations

import hashlib

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.digests import (
    chain,
    hex_of,
    is_digest,
    sha256,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Refused

GOOD = "sha256:" + "0123456789abcdef" * 4


def test_a_digest_gives_its_digits() -> None:
    assert hex_of(GOOD) == "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "bad",
    [
        "",
        None,
        7,
        "sha256:",
        GOOD.upper(),
        GOOD + "\n",
        GOOD[:-1],
        GOOD + "0",
        " " + GOOD,
        GOOD[7:],
        "sha512:" + "0" * 128,
        "sha256:" + "../" * 21 + "a",
        "sha256:" + "\u0660" * 64,
        GOOD.replace("0", "g"),
        [GOOD],
    ],
)
def test_anything_else_is_none(bad: object) -> None:
    assert not is_digest(bad)
    with pytest.raises(Refused):
        hex_of(bad)


def test_chain_ids_are_those_of_the_oci_specification() -> None:
    layers = tuple(sha256(bytes([n])) for n in range(3))
    second = "sha256:" + hashlib.sha256(f"{layers[0]} {layers[1]}".encode()).hexdigest()
    third = "sha256:" + hashlib.sha256(f"{second} {layers[2]}".encode()).hexdigest()
    assert chain(layers) == (layers[0], second, third)
    assert chain(()) == ()
