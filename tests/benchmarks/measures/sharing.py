# SPDX-License-Identifier: GPL-3.0-or-later
"""Ten images that share a base, and two children that were upgraded alike: what they take on the disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from ..command import run
from ..engines import BIG, IDLE, Engine
from ..payload import write_tree
from ..report import OURS, Need, Row
from ..trial import Bench
from .hundred import footprint

FILE_SIZE = 40 * 1024


def measure(bench: Bench) -> Iterator[Row]:
    count, tar = bench.size(10, 3), bench.scratch / "upgrade.tar"
    write_tree(tar, bench.size(1000, 100), FILE_SIZE)

    def take(engine: Engine, _index: int) -> tuple[float, ...]:
        before = footprint(engine.state)[0]
        for number in range(count):
            _commit(engine, f"bench-child-{number}", ["/bin/sh", "-c", f"echo {number} >/made"])
        return ((footprint(engine.state)[0] - before) / 1024,)

    with bench.trial() as trial:
        trial.sample(1, take, warm=False)
        yield trial.row(f"{count} images on one base: disk", "KiB", Need(ratio=1))
    with bench.trial() as trial:
        trial.sample(1, lambda engine, _index: _upgrade(engine, tar), warm=False)
        row = trial.row("two children upgraded alike: disk", "KiB", Need())
        yield row
        yield trial.row("  after dedupe: disk", "KiB", Need(ratio=0.6), column=1)
        deduped = trial.row("  after dedupe, by what it was", "KiB", Need(amount=0.6), column=2)
        samples = {name: values for name, values in deduped.samples.items() if name == OURS}
        yield dataclasses.replace(deduped, unit="of 1", samples=samples)


def _upgrade(engine: Engine, tar: object) -> tuple[float, ...]:
    engine.dedupe()  # what the engine's images share besides is not these children's doing
    before = footprint(engine.state)[0]
    for number in range(2):
        name = f"bench-upgraded-{number}"
        run(engine.run(BIG, IDLE, name=name))
        with open(str(tar), "rb") as stream:
            run(engine.exec_with_input(name, "/bin/tar", "x", "-C", "/", "-f", "-"), stdin=stream)
        run(engine.exec(name, "/bin/sh", "-c", f"echo {number} >/made"))
        run(engine.commit(name, name))
        run(engine.stop(name))
        run(engine.remove(name))
    apart = footprint(engine.state)[0] - before
    engine.dedupe()
    together = footprint(engine.state)[0] - before
    return apart / 1024, together / 1024, together / apart


def _commit(engine: Engine, name: str, command: list[str]) -> None:
    run(engine.run(BIG, IDLE, name=name))
    run(engine.exec(name, *command))
    run(engine.commit(name, name))
    run(engine.stop(name))
    run(engine.remove(name))
