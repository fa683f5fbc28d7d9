# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that goes down sends SIGTERM to everybody: supervisors let their containers end in time, and say how they did."""

from __future__ import annotations

import os
import signal
import time

from ansible_collections.berth.containers.plugins.module_utils._engine.container import record as records
from ansible_collections.berth.containers.tests.kernel.house import DEAF, WAIT, House


def part(house: House, name: str) -> None:
    """Send SIGTERM to the supervisor of a container."""
    os.kill(records.find(house.paths, name).state(house.paths).supervisor, signal.SIGTERM)


def test_the_container_is_asked_and_its_end_recorded(house: House) -> None:
    name = house.up(WAIT, stop_timeout=20)["name"]
    part(house, name)
    ended = house.ended(name)
    assert (ended["exit_code"], ended["error"]) == (0, "")


def test_it_is_asked_by_its_own_signal(house: House) -> None:
    script = "trap 'exit 9' USR1; while :; do sleep 0.1; done"
    name = house.up(["sh", "-c", script], stop_signal="SIGUSR1", stop_timeout=20)["name"]
    part(house, name)
    assert house.ended(name)["exit_code"] == 9


def test_who_does_not_hear_is_killed_in_time(house: House) -> None:
    for seconds in (0, 1):
        name = house.up(DEAF, stop_timeout=seconds)["name"]
        begun = time.monotonic()
        part(house, name)
        part(house, name)
        assert house.ended(name)["exit_code"] == 137
        assert seconds <= time.monotonic() - begun < seconds + 1
