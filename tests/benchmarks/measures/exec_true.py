# SPDX-License-Identifier: GPL-3.0-or-later
"""One more process in a container that runs."""

from __future__ import annotations

from collections.abc import Iterator

from ..command import clock, run
from ..engines import BASE, IDLE, Engine
from ..report import Need, Row
from ..trial import Bench


def measure(bench: Bench) -> Iterator[Row]:
    def take(engine: Engine, _index: int) -> tuple[float, ...]:
        return (clock(engine.exec("bench-exec", "/bin/true"))[0],)

    with bench.trial() as trial:
        trial.each(lambda engine: run(engine.run(BASE, IDLE, name="bench-exec")))
        trial.sample(bench.repeats(15, 5), take, warm=True)
        yield trial.row("exec true", "ms", Need(ratio=0.7))
