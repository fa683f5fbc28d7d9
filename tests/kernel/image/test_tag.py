# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of images come and go; what a container stands on stays, with a name or without."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Damaged, InvalidSpec, NotFound
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.tests.kernel.image.stores import ask, container, converge, write
from ansible_collections.berth.containers.tests.kernel.storage.trees import state

TAG = "container_image_tag"


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Iterator[Paths]:
    with state(str(tmp_path / "state")) as made:
        for name in ("one", "two"):
            write(tmp_path / name, {"file": name.encode()})
            ask(made, "container_image", name=name, rootfs=str(tmp_path / name))
        yield made


def test_a_name_more_and_one_less(paths: Paths) -> None:
    digest = resolve(paths, "one").digest
    done = converge(paths, TAG, image="one", name="stable:1")
    assert done.changed and done.result["image"] == {
        "name": "stable:1",
        "digest": digest,
        "id": resolve(paths, "one").id,
    }
    assert done.before == {"name": "stable:1", "state": "absent"}
    assert resolve(paths, "stable:1").layers == resolve(paths, "one").layers
    assert converge(paths, TAG, image=digest, name="by-digest").changed
    assert converge(paths, TAG, name="stable:1", state="absent").changed
    assert resolve(paths, "one").digest == digest
    with pytest.raises(NotFound):
        resolve(paths, "stable:1")


def test_a_name_moves_and_the_last_one_takes_the_image_with_it(paths: Paths) -> None:
    one, two = resolve(paths, "one"), resolve(paths, "two")
    done = converge(paths, TAG, image="two", name="one")
    assert (done.before["digest"], done.after["digest"]) == (one.digest, two.digest)
    assert not os.path.exists(one.layers[0])
    assert resolve(paths, "one").digest == two.digest


def test_absent_with_an_image_spares_what_has_moved(paths: Paths) -> None:
    assert not converge(paths, TAG, image="two", name="one", state="absent").changed
    assert converge(paths, TAG, image="one", name="one", state="absent").changed


def test_the_last_name_of_a_container_s_image(paths: Paths) -> None:
    one = resolve(paths, "one")
    container(paths, "c1", "one")
    assert converge(paths, TAG, name="one", state="absent").changed
    assert resolve(paths, one.digest).name == ""
    assert os.path.isdir(one.layers[0])
    assert converge(paths, TAG, image=one.digest, name="again").changed
    assert resolve(paths, "again").layers == one.layers


def test_what_makes_no_sense(paths: Paths) -> None:
    for params, error in (
        ({"name": "new"}, InvalidSpec),
        ({"name": "N!", "image": "one"}, InvalidSpec),
        ({"name": f"new@sha256:{'0' * 64}", "image": "one"}, InvalidSpec),
        ({"name": "new", "image": "one", "state": "gone"}, InvalidSpec),
        ({"name": "new", "image": "three"}, NotFound),
    ):
        for check in (True, False):
            with pytest.raises(error):
                ask(paths, TAG, check=check, **params)
    shutil.rmtree(os.path.dirname(resolve(paths, "one").layers[0]))
    with pytest.raises(Damaged, match="system check"):
        ask(paths, TAG, name="new", image="one")
