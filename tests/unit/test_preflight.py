# SPDX-License-Identifier: GPL-3.0-or-later
"""What is missing is told in sentences with the way out."""

from __future__ import annotations

import pathlib
from typing import NoReturn

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine import preflight
from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup.hierarchy import Hierarchy
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Unsupported
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths


@pytest.mark.parametrize(
    ("release", "number"),
    [("6.1.0-40-amd64", (6, 1)), ("5.4", (5, 4)), ("6.18.44-fc", (6, 18)), ("5.10rc3", (5, 103)), ("6.1+", (6, 1))],
)
def test_a_release_is_read(release: str, number: tuple[int, int]) -> None:
    assert preflight.release_number(release) == number


def test_each_fault_is_one_sentence(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(paths: Paths) -> NoReturn:
        raise Unsupported("there is no such thing: get one")

    monkeypatch.setattr(preflight, "PROBES", {"good": lambda paths: None, "bad": broken})
    result = preflight.preflight(Paths(str(tmp_path)), {}, check=False).result
    assert result == {"features": {"good": True, "bad": False}, "missing": {"bad": "there is no such thing: get one"}}


def test_missing_controllers_are_named_with_their_options(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Hierarchy(v1={}, v2="/sys/fs/cgroup", v2_controllers=("cpu",))
    monkeypatch.setattr(preflight.hierarchy, "mounted", lambda: found)
    with pytest.raises(Unsupported, match=r"no cgroup controller memory \(for memory\), pids \(for pids_limit\)"):
        preflight.PROBES["cgroups"](Paths(str(tmp_path)))
