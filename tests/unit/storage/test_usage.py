# SPDX-License-Identifier: GPL-3.0-or-later
"""Every byte is somebody's once: unique to one, or shared by those who have it."""

from __future__ import annotations

from ansible_collections.berth.containers.plugins.module_utils._engine.storage.usage import Share, shares

A, B, C = "layers/a", "layers/b", "blobs/c"


def test_bytes_go_to_those_who_have_them() -> None:
    units = {
        frozenset((A,)): 100,  # the base's layer, which both images have
        frozenset((B,)): 10,
        frozenset((A, B)): 1,  # one file in both layers
        frozenset((C,)): 5,  # nobody's
    }
    owners = {A: frozenset(("one", "two")), B: frozenset(("two",))}
    found, together = shares(units, owners)
    assert found == {"one": Share(shared=101), "two": Share(shared=101, unique=10)}
    assert together == {frozenset(("one", "two")): 101, frozenset(("two",)): 10, frozenset(): 5}
    assert found["two"].size == 111


def test_extents_that_others_have_are_shared() -> None:
    found, together = shares({frozenset((A, "")): 7, frozenset((A,)): 3}, {A: frozenset(("one",))})
    assert found == {"one": Share(shared=7, unique=3)}
    assert together == {frozenset(("one", "")): 7, frozenset(("one",)): 3}


def test_a_file_in_two_layers_of_one_image_is_its_own() -> None:
    found, _unused = shares({frozenset((A, B)): 7}, {A: frozenset(("one",)), B: frozenset(("one",))})
    assert found == {"one": Share(unique=7)}
