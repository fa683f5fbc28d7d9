# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer on top of others: its whiteouts hide what lies below as overlayfs understands it, and never what it brings itself."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import KernelError, Refused
from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import files
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.entries import (
    DIRECTORY,
    FILE,
    SYMLINK,
    Entry,
    pieces_of,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.layers import from_tar
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.limits import Limits
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.staging import Staging
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.unpack import Unpacker
from ansible_collections.berth.containers.tests.kernel.storage.trees import overlay, state
from ansible_collections.berth.containers.tests.unit.storage.tars import END, member


@pytest.fixture
def lower(tmp_path: pathlib.Path) -> str:
    root = tmp_path / "lower"
    for path in ("gone", "kept", "dir/gone", "dir/kept", "whole/a", "whole/b", "opaque/old", "file", "strict/inner/x"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    os.chmod(root / "strict", 0o700)
    os.chown(root / "strict/inner", 7, 8)
    os.utime(root / "strict/inner", ns=(5, 5))
    os.chmod(root, 0o751)
    return str(root)


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Iterator[Staging]:
    with state(str(tmp_path / "state")) as paths, Staging(paths, "test") as made:
        yield made


def unpack(place: Staging, tmp_path: pathlib.Path, data: bytes, lower: str) -> str:
    (tmp_path / "layer.tar").write_bytes(data + END)
    descriptor = os.open(tmp_path / "layer.tar", os.O_RDONLY)
    try:
        from_tar(descriptor, "layer", Limits(), staging=place, lowers=(lower,))
    finally:
        os.close(descriptor)
    return f"{place.path}/layer"


def names(root: str) -> set[str]:
    return {os.path.relpath(os.path.join(d, n), root) for d, inner, fs in os.walk(root) for n in inner + fs}


def test_whiteouts_hide_the_lower_layers_only(place: Staging, tmp_path: pathlib.Path, lower: str) -> None:
    data = (
        member(b"new/", kind=b"5")
        + member(b"new/file", b"x")
        + member(b"new/.wh.file")
        + member(b".wh.gone")
        + member(b"dir/.wh.gone")
        + member(b".wh.whole")
        + member(b"whole/", kind=b"5")
        + member(b"whole/c", b"c")
        + member(b"opaque/new", b"x")
        + member(b"opaque/.wh..wh..opq")
        + member(b"file/", kind=b"5")
        + member(b"file/below", b"x")
        + member(b".wh.never-there")
    )
    home = unpack(place, tmp_path, data, lower)
    with overlay(str(tmp_path), (f"{home}/diff", lower)) as merged:
        found = names(merged)
    hidden = {"gone", "dir/gone", "whole/a", "whole/b", "opaque/old"}
    brought = {"new", "new/file", "whole/c", "opaque/new", "file/below"}
    assert found == (names(lower) - hidden) | brought


def test_directories_that_are_only_implied_look_as_below(place: Staging, tmp_path: pathlib.Path, lower: str) -> None:
    home = unpack(place, tmp_path, member(b"strict/inner/y", b"y") + member(b"fresh/z", b"z"), lower)
    root, strict, inner, fresh = (os.stat(f"{home}/diff/{path}") for path in ("", "strict", "strict/inner", "fresh"))
    assert (root.st_mode & 0o7777, strict.st_mode & 0o7777) == (0o751, 0o700)
    assert (inner.st_uid, inner.st_gid, inner.st_mtime_ns) == (7, 8, 5)
    assert (fresh.st_mode & 0o7777, fresh.st_uid, fresh.st_mtime_ns) == (0o755, 0, 0)


def test_an_opaque_root_is_marked_for_whoever_stacks(place: Staging, tmp_path: pathlib.Path, lower: str) -> None:
    home = unpack(place, tmp_path, member(b".wh..wh..opq") + member(b"only", b"x"), lower)
    assert sorted(os.listdir(home)) == ["diff", "opaque"]
    assert os.listdir(f"{home}/diff") == ["only"]


@pytest.mark.parametrize("fallback", [False, True])
def test_the_walk_follows_no_link_even_without_a_census(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, *, fallback: bool
) -> None:
    if fallback:

        def missing(*_: object, **__: object) -> int:
            raise KernelError("openat2", "", 38)

        monkeypatch.setattr(files, "openat2", missing)
    (tmp_path / "outside").mkdir()
    (tmp_path / "root").mkdir()
    root = os.open(tmp_path / "root", os.O_RDONLY)
    unpacker = Unpacker(root)
    try:
        for entry in (Entry(b"d", DIRECTORY), Entry(b"d/l", SYMLINK, link=os.fsencode(tmp_path / "outside"))):
            entry.pour((unpacker,))
        for path in (b"d/l/escaped", b"d/l/x/escaped"):
            with pytest.raises(Refused):
                Entry(path, FILE, size=1, content=pieces_of(b"x")).pour((unpacker,))
        Entry(b"d/e/f/fine", FILE, size=1, content=pieces_of(b"x")).pour((unpacker,))
        unpacker.close()
    finally:
        unpacker.abandon()
        os.close(root)
    assert os.listdir(tmp_path / "outside") == []
    assert (tmp_path / "root/d/e/f/fine").read_text() == "x"


def test_a_link_in_the_way_is_replaced_and_not_written_through(tmp_path: pathlib.Path) -> None:
    (tmp_path / "canary").write_text("alive")
    (tmp_path / "root").mkdir()
    root = os.open(tmp_path / "root", os.O_RDONLY)
    unpacker = Unpacker(root)
    try:
        Entry(b"x", SYMLINK, link=os.fsencode(tmp_path / "canary")).pour((unpacker,))
        Entry(b"x", FILE, mode=0o777, size=4, content=pieces_of(b"dead")).pour((unpacker,))
        unpacker.close()
    finally:
        unpacker.abandon()
        os.close(root)
    assert (tmp_path / "canary").read_text() == "alive"
    assert (tmp_path / "canary").stat().st_mode & 0o777 != 0o777
    assert (tmp_path / "root/x").read_text() == "dead"
