# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a foreign container's cgroup is."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec, Unsupported
from ansible_collections.berth.containers.plugins.module_utils._engine.oci import groups


@pytest.mark.parametrize(
    ("path", "place"),
    [("", "one"), ("/", "one"), ("/a/b", "a/b"), ("a/b", "a/b"), ("//a/./b/", "a/b"), ("/a:b:c/d", "a:b:c/d")],
)
def test_place(path: str, place: str) -> None:
    assert groups.place_of(path, "one", systemd=False) == place


@pytest.mark.parametrize("path", ["../a", "/a/../b", "a\nb", "a.slice:b:c"])
def test_paths_that_are_none(path: str) -> None:
    with pytest.raises(InvalidSpec, match="cgroupsPath"):
        groups.place_of(path, "one", systemd=False)


def test_systemd_is_refused_clearly() -> None:
    with pytest.raises(Unsupported, match="--systemd-cgroup"):
        groups.place_of("a.slice:b:c", "one", systemd=True)
