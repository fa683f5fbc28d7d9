# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes samples from all engines in turn, so that a noisy minute falls on all of them; an engine that fails drops out alone."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .command import CommandFailed
from .engines import Engine
from .report import Need, Row

Take = Callable[[Engine, int], tuple[float, ...]]


class Trial:
    """The samples of one measure: one tuple of figures per engine and run."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = list(engines)
        self._figures: dict[str, list[tuple[float, ...]]] = {engine.name: [] for engine in engines}
        self.failures: dict[str, str] = {}

    def each(self, action: Callable[[Engine], object]) -> None:
        """Do something unmeasured with every engine that has not failed."""
        for engine in self._healthy():
            self._attempt(engine, action)

    def sample(self, runs: int, take: Take, *, block: int = 1, warm: bool = False) -> None:
        """A B C, B C A, ...: `block` runs of one engine before it is the next one's turn. `warm` throws one run per engine away."""
        if warm:
            self.each(lambda engine: take(engine, -1))
        for first in range(0, runs, block):
            for engine in self._healthy():
                for index in range(first, min(first + block, runs)):
                    self._take(engine, index, take)
            self._engines.append(self._engines.pop(0))

    def row(self, title: str, unit: str, need: Need, *, column: int = 0, mean: bool = False) -> Row:
        """The row of one column of the tuples."""
        samples = {name: [figures[column] for figures in taken] for name, taken in self._figures.items()}
        return Row(title, unit, need, samples, dict(self.failures), mean=mean)

    def _take(self, engine: Engine, index: int, take: Take) -> None:
        self._attempt(engine, lambda one: self._figures[one.name].append(take(one, index)))

    def _healthy(self) -> list[Engine]:
        return [engine for engine in self._engines if engine.name not in self.failures]

    def _attempt(self, engine: Engine, action: Callable[[Engine], object]) -> None:
        if engine.name in self.failures:
            return
        try:
            action(engine)
        except CommandFailed as failure:
            self.failures[engine.name] = str(failure)


@dataclasses.dataclass(frozen=True)
class Bench:
    """What every measure gets: the engines with their images, a scratch directory and how thorough to be."""

    engines: Sequence[Engine]
    scratch: Path
    collections: Path
    address: str
    outside: Sequence[str]
    quick: bool
    runs: int

    def repeats(self, usual: int, quick: int = 3) -> int:
        """`--runs`, or what the measure finds right."""
        return self.runs or (quick if self.quick else usual)

    def size(self, usual: int, quick: int) -> int:
        """How big the work is; `--runs` leaves it alone."""
        return quick if self.quick else usual

    @contextlib.contextmanager
    def trial(self) -> Iterator[Trial]:
        """A trial after which every engine is empty of containers and of the images that the trial made."""
        trial = Trial(self.engines)
        try:
            yield trial
        finally:
            for engine in self.engines:
                engine.sweep()
