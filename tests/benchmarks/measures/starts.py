# SPDX-License-Identifier: GPL-3.0-or-later
"""Detached starts with the bridge, one after the other, all left running."""

from __future__ import annotations

from collections.abc import Iterator

from ..command import clock
from ..engines import BASE, IDLE, Engine
from ..report import Need, Row
from ..trial import Bench


def measure(bench: Bench) -> Iterator[Row]:
    count = bench.size(50, 10)

    def take(engine: Engine, index: int) -> tuple[float, ...]:
        return (clock(engine.run(BASE, IDLE, name=f"bench-start-{index}", network="bridge"))[0],)

    with bench.trial() as trial:
        trial.sample(count, take, block=10)
        yield trial.row(f"{count} detached starts, bridge: each", "ms", Need(ratio=0.7), mean=True)
