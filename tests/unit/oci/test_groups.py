# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a foreign container's cgroup is."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import scopes
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec, Unsupported
from ansible_collections.berth.containers.plugins.module_utils._engine.oci import groups


@pytest.mark.parametrize(
    ("path", "place"),
    [("", "one"), ("/", "one"), ("/a/b", "a/b"), ("a/b", "a/b"), ("//a/./b/", "a/b"), ("/a:b:c/d", "a:b:c/d")],
)
def test_place(path: str, place: str) -> None:
    assert groups.place_of(path, "one") == place


@pytest.mark.parametrize("path", ["../a", "/a/../b", "a\nb", "a.slice:b:c"])
def test_paths_that_are_none(path: str) -> None:
    with pytest.raises(InvalidSpec, match="cgroupsPath"):
        groups.place_of(path, "one")


def test_a_place_in_a_scope() -> None:
    assert groups.place_of("a.slice:b:c", "one", "a.slice/b-c.scope") == "a.slice/b-c.scope/container"
    assert groups.made_in("a.slice/b-c.scope") == ("/sys/fs/cgroup/a.slice/b-c.scope/container",)


@pytest.fixture
def managed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "managed", lambda: True)


@pytest.mark.usefixtures("managed")
@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("", "system.slice/berth-oci-one.scope"),
        ("machine.slice:libpod:abc", "machine.slice/libpod-abc.scope"),
        (":cri:abc", "system.slice/cri-abc.scope"),
        ("a-b.slice:x:y", "a.slice/a-b.slice/x-y.scope"),
        ("-:x:y", "x-y.scope"),
        ("::y", "system.slice/-y.scope"),
    ],
)
def test_a_scope_by_systemds_form(path: str, scope: str) -> None:
    assert groups.scope_of(path, "one") == scope


@pytest.mark.usefixtures("managed")
@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/a/b", "SLICE:PREFIX:NAME"),
        ("a.slice:b", "SLICE:PREFIX:NAME"),
        ("a.slice:b:c:d", "SLICE:PREFIX:NAME"),
        ("user.slice/user-1.slice:b:c", "SLICE:PREFIX:NAME"),
        ("a.slice:..:/../c", "SLICE:PREFIX:NAME"),
        ("a:b:c", "no slice"),
        ("a--b.slice:b:c", "no slice"),
        (".slice:b:c", "no slice"),
    ],
)
def test_forms_that_name_no_scope(path: str, word: str) -> None:
    with pytest.raises(InvalidSpec, match=word):
        groups.scope_of(path, "one")


@pytest.mark.usefixtures("managed")
def test_a_slice_is_no_container() -> None:
    with pytest.raises(Unsupported, match=r"choose a name without \.slice"):
        groups.scope_of("a.slice:b:c.slice", "one")


def test_systemd_is_refused_clearly_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "managed", lambda: False)
    with pytest.raises(Unsupported, match="--systemd-cgroup: there is no systemd here"):
        groups.scope_of("a.slice:b:c", "one")
