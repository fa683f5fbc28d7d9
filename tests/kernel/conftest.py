# SPDX-License-Identifier: GPL-3.0-or-later
"""One root for all tests that run containers; each test finds it empty and leaves it empty."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.tests.kernel.house import House, a_house


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = pathlib.Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.root)
            if os.geteuid():
                item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="session")
def shared_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with a_house(str(tmp_path_factory.mktemp("house") / "root")) as house:
        yield house


@pytest.fixture
def house(shared_house: House) -> Iterator[House]:
    """The root; afterwards the containers that the test named are removed, and nothing of them may be left."""
    yield shared_house
    shared_house.clean()
