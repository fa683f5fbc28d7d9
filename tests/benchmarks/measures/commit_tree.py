# SPDX-License-Identifier: GPL-3.0-or-later
"""Commit many new files, then the same container again without a change."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator

from ..command import clock, run
from ..engines import BASE, IDLE, Engine
from ..payload import write_tree
from ..report import OURS, Need, Row
from ..trial import Bench

FILE_SIZE = 40 * 1024


def measure(bench: Bench) -> Iterator[Row]:
    files = bench.size(5000, 1000)
    same: dict[str, bool] = {}
    tar = bench.scratch / "tree.tar"
    content = -1

    def take(engine: Engine, index: int) -> tuple[float, ...]:
        nonlocal content
        if content != index:
            # New in each round, else a store that keeps content once would have it already.
            write_tree(tar, files, FILE_SIZE)
            content = index
        name = f"bench-tree-{index}"
        run(engine.run(BASE, IDLE, name=name))
        with tar.open("rb") as stream:
            run(engine.exec_with_input(name, "/bin/tar", "x", "-C", "/", "-f", "-"), stdin=stream)
        os.sync()
        first, image = clock(engine.commit(name, name))
        os.sync()
        again, same_image = clock(engine.commit(name, f"{name}-again"))
        same[engine.name] = same.get(engine.name, True) and image == same_image
        engine.sweep()
        return first, again

    with bench.trial() as trial:
        trial.sample(bench.repeats(3, 1), take)
        size = files * FILE_SIZE // 1_000_000
        yield trial.row(f"commit of {size} MB in {files} files", "ms", Need(ratio=1))
        row = trial.row("  again, unchanged", "ms", Need(ratio=0.25), column=1)
        broken = "" if same.get(OURS, True) else "an unchanged container was committed under another digest"
        yield dataclasses.replace(row, broken=broken, note=_describe(same))


def _describe(same: dict[str, bool]) -> str:
    return ", ".join(f"{engine} gives {'the same' if kept else 'a new'} id" for engine, kept in sorted(same.items()))
