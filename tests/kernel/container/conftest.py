# SPDX-License-Identifier: GPL-3.0-or-later
"""An image made of a root directory that a test file describes by its own fixture `rootfs`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.tests.kernel.house import House


@pytest.fixture
def bare(house: House, rootfs: str) -> Iterator[House]:
    """The root with that image as `bare`."""
    house.ask("container_image", name="bare", rootfs=rootfs)
    yield house
    house.clean()
    for name in ("made", "again", "bare"):
        house.ask("container_image", name=name, state="absent")
