# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred containers of a 300 MB image: what each costs in time, disk space and inodes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

from ..command import clock
from ..engines import BIG, IDLE, Engine
from ..report import Need, Row
from ..trial import Bench


def measure(bench: Bench) -> Iterator[Row]:
    count = bench.size(100, 20)
    before: dict[str, tuple[int, int]] = {}
    after: dict[str, tuple[int, int]] = {}

    def take(engine: Engine, index: int) -> tuple[float, ...]:
        return (clock(engine.run(BIG, IDLE, name=f"bench-big-{index}"))[0],)

    with bench.trial() as trial:
        trial.each(lambda engine: before.update({engine.name: footprint(engine.state)}))
        trial.sample(count, take, block=10)
        trial.each(lambda engine: after.update({engine.name: footprint(engine.state)}))
        row = trial.row(f"{count} containers of a 300 MB image: each", "ms", Need(ratio=0.35), mean=True)
        yield row
        grown = {
            name: [(now - then) / count for then, now in zip(before[name], after[name], strict=True)] for name in after
        }
        space = {name: [size / 1024] for name, (size, _inodes) in grown.items()}
        inodes = {name: [number] for name, (_size, number) in grown.items()}
        yield dataclasses.replace(row, title="  disk space of each", unit="KiB", need=Need(amount=64), samples=space)
        yield dataclasses.replace(row, title="  inodes of each", unit="inodes", need=Need(amount=16), samples=inodes)


def footprint(top: Path) -> tuple[int, int]:
    """Bytes on disk and inodes below a directory, without what is mounted there; a hard link counts once."""
    os.sync()
    home = top.stat().st_dev
    seen: dict[int, int] = {}
    left = [str(top)]
    while left:
        for entry in os.scandir(left.pop()):
            status = entry.stat(follow_symlinks=False)
            if status.st_dev == home:
                seen[status.st_ino] = status.st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
    return sum(seen.values()), len(seen)
