# SPDX-License-Identifier: GPL-3.0-or-later
"""The same as run_none with a bridge, an address and a route."""

from __future__ import annotations

from collections.abc import Iterator

from ..command import clock
from ..engines import BASE, Engine
from ..report import Need, Row
from ..trial import Bench


def measure(bench: Bench) -> Iterator[Row]:
    def take(engine: Engine, _index: int) -> tuple[float, ...]:
        return (clock(engine.run(BASE, ("/bin/true",), network="bridge"))[0],)

    with bench.trial() as trial:
        trial.sample(bench.repeats(15, 5), take, warm=True)
        yield trial.row("run --rm true, bridge", "ms", Need(ratio=0.5))
