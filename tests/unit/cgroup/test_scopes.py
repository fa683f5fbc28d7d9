# SPDX-License-Identifier: GPL-3.0-or-later
"""Where systemd's units lie in its hierarchy, and on which hosts it is asked at all; the asking is tested on a stock Debian."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import scopes


@pytest.mark.parametrize(
    ("owner", "slice_name", "path"),
    [
        ("berth", "", "berth.slice/berth-abc.scope"),
        ("berth-1a2b3c4d", "", "berth.slice/berth-1a2b3c4d.slice/berth-1a2b3c4d-abc.scope"),
        ("berth", "user.slice", "user.slice/berth-abc.scope"),
        ("berth", "a-b.slice", "a.slice/a-b.slice/berth-abc.scope"),
    ],
)
def test_a_scope_lies_in_its_slice(owner: str, slice_name: str, path: str) -> None:
    assert scopes.scope_of(owner, "abc", slice_name) == path


def test_a_unit_above_all_slices() -> None:
    assert scopes.place_of("-.slice", "a.scope") == "a.scope"


@pytest.mark.parametrize("lacking", ["booted", "socket", "unified", ""])
def test_systemd_is_asked_where_it_owns_the_one_hierarchy(
    lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    booted, socket = tmp_path / "system", tmp_path / "private"
    if lacking != "booted":
        booted.mkdir()
    if lacking != "socket":
        socket.touch()
    monkeypatch.setattr(scopes, "_BOOTED", str(booted))
    monkeypatch.setattr(scopes, "SOCKET", str(socket))
    monkeypatch.setattr(scopes, "_POINT", str(tmp_path))
    if lacking != "unified":
        (tmp_path / "cgroup.controllers").touch()
    assert scopes.managed() is (lacking == "")
