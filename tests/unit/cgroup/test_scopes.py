# SPDX-License-Identifier: GPL-3.0-or-later
"""Where systemd's units lie in its hierarchy, and on which hosts it is asked at all; the asking is tested on a stock Debian."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import scopes
from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup.hierarchy import Hierarchy

UNIFIED = Hierarchy(v1={}, v2="/sys/fs/cgroup", v2_controllers=("memory",))


@pytest.mark.parametrize(
    ("parent", "path"),
    [
        ("berth", "berth.slice/berth-abc.scope"),
        ("berth-1a2b3c4d", "berth.slice/berth-1a2b3c4d.slice/berth-1a2b3c4d-abc.scope"),
    ],
)
def test_a_scope_lies_in_the_slice_of_its_root(parent: str, path: str) -> None:
    assert scopes.scope_of(parent, "abc") == path


@pytest.mark.parametrize("lacking", ["booted", "socket", "unified", "only unified", ""])
def test_systemd_is_asked_where_it_owns_the_one_hierarchy(
    lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    booted, socket = tmp_path / "system", tmp_path / "private"
    if lacking != "booted":
        booted.mkdir()
    if lacking != "socket":
        socket.touch()
    monkeypatch.setattr(scopes, "_BOOTED", str(booted))
    monkeypatch.setattr(scopes, "_SOCKET", str(socket))
    here = {
        "unified": Hierarchy(v1={}, v2="", v2_controllers=()),
        "only unified": UNIFIED.replace(v1={"memory": "/sys/fs/cgroup/memory"}),
    }.get(lacking, UNIFIED)
    assert scopes.managed(here) is (lacking == "")
