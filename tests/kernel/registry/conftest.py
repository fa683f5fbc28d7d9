# SPDX-License-Identifier: GPL-3.0-or-later
"""Each test finds urllib3 as a command does, which begins without it: what is short goes by the engine's own connections until then."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.registry import pools


@pytest.fixture(autouse=True)
def shut_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_door", None)
