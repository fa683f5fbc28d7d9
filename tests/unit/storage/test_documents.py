# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON documents: what two parsers could read in two ways is refused."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Refused
from ansible_collections.berth.containers.plugins.module_utils._engine.storage import documents


def test_writing_is_canonical_and_reading_is_its_inverse() -> None:
    assert documents.pack({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}'.encode()
    assert documents.unpack(documents.pack({"b": [1, None], "a": "ü"}), "x") == {"a": "ü", "b": [1, None]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"1",
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1}x',
        '{"a":1}'.encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b" " * (4 << 20) + b"{}",
    ],
)
def test_ambiguous_or_endless_documents_are_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        documents.unpack(data, "manifest")
