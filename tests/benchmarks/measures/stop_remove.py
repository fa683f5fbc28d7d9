# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop a process that heeds SIGTERM, then remove its container."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..command import clock, run
from ..engines import BASE, Engine
from ..report import Need, Row
from ..trial import Bench

POLITE = ("/bin/sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 1 & wait $!; done")


def measure(bench: Bench) -> Iterator[Row]:
    def take(engine: Engine, index: int) -> tuple[float, ...]:
        name = f"bench-stop-{index}"
        run(engine.run(BASE, POLITE, name=name, network="bridge"))
        _await_ready(engine, name)
        return clock(engine.stop(name))[0], clock(engine.remove(name))[0]

    with bench.trial() as trial:
        trial.sample(bench.repeats(9), take, warm=True)
        yield trial.row("stop of a process that heeds TERM", "ms", Need(ratio=0.5))
        yield trial.row("rm of a stopped container", "ms", Need(ratio=1), column=1)


def _await_ready(engine: Engine, name: str) -> None:
    """Until the trap is set: before that pid 1 does not hear SIGTERM and the engine waits ten seconds."""
    for _attempt in range(50):
        if "ready" in run([engine.program, "logs", name]):
            return
        time.sleep(0.05)
