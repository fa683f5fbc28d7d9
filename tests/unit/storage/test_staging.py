# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging: gone at the end, known as garbage when its owner is dead, untouched while it lives."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import StorageFull
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.staging import (
    Staging,
    has_dead,
    remove_dead,
    remove_tree,
    sweep,
)


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Paths:
    made = Paths(str(tmp_path / "state"))
    os.makedirs(made.staging)
    return made


def test_whatever_is_left_in_it_goes(paths: Paths) -> None:
    with pytest.raises(StorageFull), Staging(paths, "test") as place:
        os.makedirs(f"{place.path}/a/b")
        os.symlink("/etc", f"{place.path}/a/link")
        raise StorageFull("full")
    assert os.listdir(paths.staging) == []
    assert os.path.exists("/etc/passwd")


def test_a_sweep_leaves_the_living_alone(paths: Paths) -> None:
    with Staging(paths, "test") as place:
        assert not has_dead(paths)
        assert remove_dead(paths) == 0
        sweep(paths)
        assert os.path.isdir(place.path)


def test_a_sweep_takes_what_a_killed_command_left(paths: Paths) -> None:
    code = (
        "import os, signal, sys\n"
        "from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths\n"
        "from ansible_collections.berth.containers.plugins.module_utils._engine.storage.staging import Staging\n"
        "place = Staging(Paths(sys.argv[1]), 'test').__enter__()\n"
        "open(place.path + '/file', 'w').close()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, paths.root],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(paths.staging)) == 1
    assert has_dead(paths)
    assert remove_dead(paths) == 1
    assert os.listdir(paths.staging) == []


def test_a_tree_deeper_than_a_path_can_say_is_removed(tmp_path: pathlib.Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _unused in range(150):
        os.mkdir("deep" * 10, dir_fd=here)
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
        below = os.open("deep" * 10, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    root = os.open(tmp_path, os.O_RDONLY)
    try:
        remove_tree(root, b"deep" * 10)
        remove_tree(root, b"not there")
    finally:
        os.close(root)
    assert os.listdir(tmp_path) == ["file"]
