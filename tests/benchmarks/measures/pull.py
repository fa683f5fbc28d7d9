# SPDX-License-Identifier: GPL-3.0-or-later
"""Pull an image of a Debian's size, pull it again, and push an image of which the registry lacks a small layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from .. import registry
from ..command import clock, peak, run
from ..debianlike import write_layout
from ..engines import BASE, IDLE, Engine
from ..report import Need, Row
from ..trial import Bench

FILES, SIZE = 9000, 264 << 20


def measure(bench: Bench) -> Iterator[Row]:
    layout = bench.scratch / "debian"
    write_layout(layout, bench.size(FILES, 2000), bench.size(SIZE, SIZE // 4))

    def take(engine: Engine, index: int) -> tuple[float, ...]:
        cold = clock(engine.pull(registry.IMAGE), limit=300)[0]
        again = clock(engine.pull(registry.IMAGE))[0]
        run(engine.remove_image(registry.IMAGE))
        return cold, again, _push(engine, index)

    with registry.serve(bench.scratch / "registry"), bench.trial() as trial:
        registry.fill(layout)
        trial.sample(bench.repeats(5, 2), take)
        row = trial.row("pull and unpack of a Debian-like image", "ms", Need(ratio=1))
        yield row
        yield trial.row("  again, nothing to do", "ms", Need(ratio=1.5), column=1)
        yield trial.row("  push of a small layer on top", "ms", Need(ratio=1), column=2)
        ours = bench.engines[0]
        memory = {ours.name: [peak(ours.pull(registry.IMAGE), limit=300) / (1 << 20)]}
        yield dataclasses.replace(
            row, title="  most memory of our pull", unit="MiB", need=Need(amount=150), samples=memory, failures={}
        )


def _push(engine: Engine, index: int) -> float:
    """The first round, which is thrown away, brings the base into the registry."""
    container, image = f"bench-push-{index}", f"{registry.ADDRESS}/bench/{engine.name}:{index + 1}"
    run(engine.run(BASE, IDLE, name=container))
    run(engine.exec(container, "/bin/sh", "-c", "head -c 100000 /dev/urandom >/made"))
    run(engine.commit(container, image))
    elapsed = clock(engine.push(image))[0]
    engine.sweep()
    return elapsed
