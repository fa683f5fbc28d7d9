# SPDX-License-Identifier: GPL-3.0-or-later
"""One root directory for the tests that execute a config.json of their own."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.berth.containers.tests.kernel.house import bare_root
from ansible_collections.berth.containers.tests.kernel.runtime.cell import Cell


@pytest.fixture(scope="session")
def busybox(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Places for mounts are there: in a user namespace its root is nobody's, and none could be made."""
    return bare_root(tmp_path_factory, "mkdir -p proc dev sys mnt tmp a/b; : >file; chmod 1777 mnt tmp")


@pytest.fixture
def cell(busybox: str, tmp_path: pathlib.Path) -> Cell:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Cell(busybox, str(scratch))
