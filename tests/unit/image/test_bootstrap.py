# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded base image: a function of busybox alone, and a clear word where busybox is missing."""

from __future__ import annotations

import pathlib
import sys

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import MissingDependency
from ansible_collections.berth.containers.plugins.module_utils._engine.image.bootstrap import (
    Busybox,
    entries,
    is_static,
)


def test_the_tree_has_its_applets_and_mount_points_in_order() -> None:
    tree = {entry.path: entry for entry in entries(b"ELF", [b"ls", b"sh", b"busybox"])}
    assert list(tree) == sorted(tree)
    assert tree[b"bin/sh"].link == b"busybox"
    assert (tree[b"bin/busybox"].mode, tree[b"bin/busybox"].size) == (0o755, 3)
    assert tree[b"tmp"].mode == 0o1777
    for path in (
        b"proc",
        b"sys",
        b"dev",
        b"etc/hosts",
        b"etc/hostname",
        b"etc/resolv.conf",
        b"root",
        b"run",
        b"var",
        b"usr",
        b"home",
    ):
        assert path in tree
    assert all(path.rpartition(b"/")[0] in tree for path in tree)


def test_without_a_static_busybox_the_package_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(MissingDependency, match="busybox-static"):
        Busybox((str(tmp_path / "busybox"),))
    with pytest.raises(MissingDependency, match=r"dynamically.*busybox-static"):
        Busybox((sys.executable,))


@pytest.mark.parametrize(
    "start", [b"", b"#!/bin/sh\n" * 20, b"\x7fELF" + bytes(200), b"\x7fELF\x02\x01" + b"\xff" * 200]
)
def test_what_is_no_program_is_not_static(start: bytes) -> None:
    assert not is_static(start)
