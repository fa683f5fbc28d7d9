# SPDX-License-Identifier: GPL-3.0-or-later
"""Network modes: Docker's words."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.network.modes import Mode, parse_mode


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        (None, Mode(kind="bridge")),
        ("", Mode(kind="bridge")),
        ("default", Mode(kind="bridge")),
        ("bridge", Mode(kind="bridge")),
        ("none", Mode(kind="none")),
        ("host", Mode(kind="host")),
        ("container:web", Mode(kind="container", target="web")),
    ],
)
def test_known_modes(text: object, mode: Mode) -> None:
    assert parse_mode(text) == mode
    assert parse_mode(str(mode)) == mode


@pytest.mark.parametrize(
    "text", ["Bridge", "container:", "container:../x", "container", "host:web", "slirp4netns", "a\0"]
)
def test_unknown_modes(text: str) -> None:
    with pytest.raises(InvalidSpec):
        parse_mode(text)
