# SPDX-License-Identifier: GPL-3.0-or-later
"""What an idle container costs in memory beside its own process: the engine's processes that came with it."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..command import run
from ..engines import BASE, IDLE, Engine
from ..report import Need, Row
from ..trial import Bench

CONTAINERS = 20


def measure(bench: Bench) -> Iterator[Row]:
    daemons: dict[str, float] = {}

    def take(engine: Engine, index: int) -> tuple[float, ...]:
        before = _processes()
        for number in range(CONTAINERS):
            run(engine.run(BASE, IDLE, name=f"bench-idle-{index}-{number}", network="bridge"))
        time.sleep(1)
        supervisors = [pid for pid in _processes() - before if not _is_inside(pid)]
        each = _memory(supervisors) / CONTAINERS
        daemons[engine.name] = _memory(engine.daemons())
        engine.sweep()
        return (each,)

    with bench.trial() as trial:
        trial.sample(bench.repeats(2, 1), take)
        row = trial.row(f"supervisors' PSS per idle container, at {CONTAINERS}", "MiB", Need(amount=5))
        apart = ", ".join(f"{name}'s daemons use {size:.0f} MiB beside it" for name, size in daemons.items() if size)
        yield dataclasses.replace(row, note=apart)


def _processes() -> set[int]:
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def _is_inside(pid: int) -> bool:
    """Whether a process is a container's own: it has a number in one more pid namespace than we."""
    return len(_field(pid, "status", "NSpid:")) > 1


def _memory(pids: Iterable[int]) -> float:
    """The proportional set sizes together, in MiB."""
    return sum(int((_field(pid, "smaps_rollup", "Pss:") or ["0"])[0]) for pid in pids) / 1024


def _field(pid: int, name: str, key: str) -> list[str]:
    try:
        lines = Path(f"/proc/{pid}/{name}").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return next((line.split()[1:] for line in lines if line.startswith(key)), [])
