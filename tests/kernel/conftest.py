# SPDX-License-Identifier: GPL-3.0-or-later
"""One root for all tests that run containers; each test finds it empty and leaves it empty."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.tests.kernel.house import House, a_house


@pytest.fixture(scope="session")
def shared_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    if os.geteuid():
        pytest.skip("needs root")
    with a_house(str(tmp_path_factory.mktemp("house") / "root")) as house:
        yield house


@pytest.fixture
def house(shared_house: House) -> Iterator[House]:
    """The root; afterwards the containers that the test named are removed, and nothing of them may be left."""
    yield shared_house
    shared_house.clean()
