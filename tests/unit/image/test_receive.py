# SPDX-License-Identifier: GPL-3.0-or-later
"""What another host's engine says of an image is taken byte for byte, or not at all."""

from __future__ import annotations

import json

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.digests import sha256
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.image.receive import read_offer

SOUND = {"media_type": "m", "manifest": '{"a": "\u00e4"}\n', "config": "{ }"}


def test_bytes_stay_bytes() -> None:
    offer = read_offer(json.dumps(SOUND))
    assert (offer.media_type, offer.manifest, offer.parts) == (
        "m",
        '{"a": "\u00e4"}\n'.encode(),
        {sha256(b"{ }"): b"{ }"},
    )
    several = {"media_type": "m", "manifest": "{}", "parts": ["1", "2"]}
    assert read_offer(json.dumps(several)).parts == {sha256(b"1"): b"1", sha256(b"2"): b"2"}


@pytest.mark.parametrize(
    "text",
    [
        None,
        SOUND,
        "",
        "[]",
        "{",
        "[" * 100_000,
        *(json.dumps({key: value for key, value in SOUND.items() if key != left}) for left in SOUND),
        json.dumps({**SOUND, "config": {}}),
        json.dumps({**SOUND, "parts": "x"}),
        json.dumps({**SOUND, "parts": ["x", 1]}),
        json.dumps({**SOUND, "manifest": "\ud800"}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_offer_is_refused(text: object) -> None:
    with pytest.raises(InvalidSpec, match="documents"):
        read_offer(text)
