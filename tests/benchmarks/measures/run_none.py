# SPDX-License-Identifier: GPL-3.0-or-later
"""From nothing to a process of its own network namespace and back to nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ..command import clock
from ..engines import BASE, Engine
from ..report import Need, Row
from ..trial import Bench


def measure(bench: Bench) -> Iterator[Row]:
    def take(engine: Engine, _index: int) -> tuple[float, ...]:
        return (clock(engine.run(BASE, ("/bin/true",)))[0],)

    with bench.trial() as trial:
        trial.sample(bench.repeats(15, 5), take, warm=True)
        yield trial.row("run --rm true, network none", "ms", Need(ratio=0.35))
