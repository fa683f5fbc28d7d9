# SPDX-License-Identifier: GPL-3.0-or-later
"""A root of one's own per test; its run-time files go when the test does."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Iterator[Paths]:
    made = Paths(str(tmp_path))
    made.prepare()
    yield made
    shutil.rmtree(made.run)
