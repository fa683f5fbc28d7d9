# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of container_image, alone and together."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.image.converge import read_spec


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"name": "x", "state": "there"},
        {"name": "X y"},
        {"name": "x", "rootfs": "/a", "bootstrap": "busybox"},
        {"name": "x", "bootstrap": "toybox"},
        {"name": "x", "rootfs": ["/a"]},
        {"name": "x", "command": "ls"},
        {"name": "x", "rootfs": "/a", "max_entries": 0},
        {"name": "x", "rootfs": "/a", "max_entries": True},
        {"name": "x", "rootfs": "/a", "max_unpacked_size": "lots"},
        {"name": "abcdef0123456789" * 4},
    ],
)
def test_nonsense_is_told(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec):
        read_spec(params)


def test_an_id_is_enough_to_remove() -> None:
    assert read_spec({"name": "abcdef0123456789" * 4, "state": "absent"}).state == "absent"


def test_who_names_a_size_lifts_the_ratio() -> None:
    limits = read_spec({"name": "x", "rootfs": "/a", "max_unpacked_size": "1G"}).limits
    assert (limits.unpacked, limits.ratio > 10**9) == (1 << 30, True)
