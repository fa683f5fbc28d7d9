# SPDX-License-Identifier: GPL-3.0-or-later
"""A tar comes back from its tree and a description byte for byte, or with an error; never otherwise."""

from __future__ import annotations

import hashlib
import os
import pathlib
import random
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Damaged, EngineError
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.storage import derived, layers
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.limits import Limits
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.staging import Staging
from ansible_collections.berth.containers.tests.kernel.storage.trees import make_tree, state
from ansible_collections.berth.containers.tests.unit.storage.tars import END, header, member

CHAIN = "sha256:" + "c" * 64
SEED = int(os.environ.get("BERTH_SEED", str(random.randrange(10**6))))


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Iterator[Paths]:
    with state(str(tmp_path / "state")) as made:
        yield made


def unpacked(paths: Paths, place: Staging, tar: pathlib.Path) -> tuple[int, int]:
    """The open blob and the open tree that it unpacks to."""
    blob = os.open(tar, os.O_RDONLY)
    made = layers.from_tar(blob, "it", Limits(), staging=place)
    return blob, os.open(f"{made.home}/layer/diff", os.O_RDONLY | os.O_DIRECTORY)


def described(blob: int, tree: int, target: pathlib.Path) -> str:
    with open(target, "wb") as file:
        return derived.describe(blob, tree, CHAIN, file.write)


def assembled(target: pathlib.Path, tree: int, start: int = 0) -> bytes:
    descriptor = os.open(target, os.O_RDONLY)
    try:
        found = derived.read_head(descriptor)
        if found is None:
            raise Damaged("no description")
        return b"".join(derived.assemble(descriptor, found[1], tree, start))
    finally:
        os.close(descriptor)


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def test_every_kind_of_file_by_any_writer(paths: Paths, tmp_path: pathlib.Path) -> None:
    make_tree(str(tmp_path / "tree"), with_socket=False)
    os.truncate(tmp_path / "tree/big", 1_000_000)
    for name, form in (("gnu", "--format=gnu -S"), ("pax", "--format=pax -S --xattrs"), ("dense", "--format=pax")):
        tar = tmp_path / f"{name}.tar"
        assert os.system(f"tar {form} -C {tmp_path}/tree -cf {tar} .") == 0
        data = tar.read_bytes()
        with Staging(paths, "test") as place:
            blob, tree = unpacked(paths, place, tar)
            assert described(blob, tree, tmp_path / name) == digest(data)
            assert assembled(tmp_path / name, tree) == data
            dice = random.Random(SEED)
            for start in (*(dice.randrange(len(data)) for _unused in range(4)), len(data)):
                assert assembled(tmp_path / name, tree, start) == data[start:], SEED
            os.close(blob)
            os.close(tree)
        assert (tmp_path / name).stat().st_size < len(data)


def test_what_a_later_member_replaced_can_not_be_given(paths: Paths, tmp_path: pathlib.Path) -> None:
    tar = tmp_path / "tar"
    tar.write_bytes(header(b"d/", b"5") + member(b"d/f", b"first") + member(b"d/f", b"later") + END)
    with Staging(paths, "test") as place:
        blob, tree = unpacked(paths, place, tar)
        assert described(blob, tree, tmp_path / "out") != digest(tar.read_bytes())
        os.close(blob)
        os.close(tree)


def test_damage_is_an_error_or_no_damage(paths: Paths, tmp_path: pathlib.Path) -> None:
    dice, target = random.Random(SEED), tmp_path / "out"
    tar = tmp_path / "tar"
    tar.write_bytes(b"".join(member(b"f%d" % number, dice.randbytes(3000)) for number in range(20)) + END)
    data = tar.read_bytes()
    with Staging(paths, "test") as place:
        blob, tree = unpacked(paths, place, tar)
        described(blob, tree, target)
        whole = target.read_bytes()
        for _unused in range(300):
            at = dice.randrange(len(whole))
            bad = bytearray(whole)
            bad[at] ^= 1 << dice.randrange(8)
            target.write_bytes(bad[:at] if dice.random() < 0.3 else bad)
            try:
                found = assembled(target, tree)
            except EngineError:
                continue
            # Some bits mean nothing, such as those that fill up the last byte of what is packed.
            assert found == data, f"seed {SEED}: byte {at}"
        target.write_bytes(whole)
        with open(f"{place.path}/layer/diff/f7", "r+b") as file:
            file.write(b"!")
        with pytest.raises(Damaged, match="'f7' has another content"):
            assembled(target, tree)
        os.unlink(f"{place.path}/layer/diff/f7")
        with pytest.raises(Damaged, match="'f7' can't be read"):
            assembled(target, tree)
        os.close(blob)
        os.close(tree)
