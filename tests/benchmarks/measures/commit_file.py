# SPDX-License-Identifier: GPL-3.0-or-later
"""Commit a container of a big image in which one file has changed."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..command import clock, run
from ..engines import BIG, IDLE, Engine
from ..report import Need, Row
from ..trial import Bench


def measure(bench: Bench) -> Iterator[Row]:
    def take(engine: Engine, index: int) -> tuple[float, ...]:
        run(engine.exec("bench-commit", "/bin/sh", "-c", f"echo {index} > /srv/big/000/00"))
        os.sync()
        return (clock(engine.commit("bench-commit", f"bench-one-{index}"))[0],)

    with bench.trial() as trial:
        trial.each(lambda engine: run(engine.run(BIG, IDLE, name="bench-commit")))
        trial.sample(bench.repeats(5), take, warm=True)
        yield trial.row("commit of one changed file in 300 MB", "ms", Need(ratio=0.5))
