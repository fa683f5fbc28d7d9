# SPDX-License-Identifier: GPL-3.0-or-later
"""A row of the benchmark as a value: what was measured, what the issue asks for, the verdict; and the two ways to show it."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

OURS = "berth"
PEERS = ("docker", "podman")


@dataclasses.dataclass(frozen=True)
class Need:
    """What is asked of ours: a ratio to the best peer, or an amount. Neither: the row only informs."""

    ratio: float | None = None
    amount: float | None = None
    more_is_better: bool = False

    def text(self) -> str:
        limit = self.ratio if self.ratio is not None else self.amount
        return "" if limit is None else f"{'>=' if self.more_is_better else '<='} {limit:g}"

    def holds(self, ours: float, best_peer: float | None) -> bool | None:
        """None when there is nothing to compare with."""
        if self.amount is not None:
            return ours <= self.amount
        if self.ratio is None or not best_peer:
            return None
        return ours / best_peer >= self.ratio if self.more_is_better else ours / best_peer <= self.ratio


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure. `samples` are raw, by engine; `failures` say why an engine has none; `broken` names a promise that is
    not about time and was not kept (the verdict is MISS then)."""

    title: str
    unit: str
    need: Need
    samples: Mapping[str, Sequence[float]]
    failures: Mapping[str, str]
    mean: bool = False
    note: str = ""
    broken: str = ""

    def value(self, engine: str) -> float | None:
        """The median (the mean where a total is asked for), None without samples."""
        samples = self.samples.get(engine)
        if not samples:
            return None
        return statistics.fmean(samples) if self.mean else statistics.median(samples)

    def best_peer(self) -> float | None:
        values = [value for value in map(self.value, PEERS) if value is not None]
        if not values:
            return None
        return max(values) if self.need.more_is_better else min(values)

    def ratio(self) -> float | None:
        ours, best = self.value(OURS), self.best_peer()
        return ours / best if ours is not None and best else None

    def verdict(self) -> str:
        """PASS, MISS, or "-" where nothing is asked for or nothing could be compared."""
        if OURS in self.failures or self.broken:
            return "MISS"
        ours = self.value(OURS)
        holds = None if ours is None else self.need.holds(ours, self.best_peer())
        return "-" if holds is None else "PASS" if holds else "MISS"

    def record(self) -> dict[str, Any]:
        """The row for the JSON file, raw samples included."""
        return {
            "title": self.title,
            "unit": self.unit,
            "statistic": "mean" if self.mean else "median",
            "values": {engine: self.value(engine) for engine in self.samples},
            "ratio": self.ratio(),
            "need": self.need.text(),
            "verdict": self.verdict(),
            "samples": {engine: list(samples) for engine, samples in self.samples.items()},
            "failures": dict(self.failures),
            "note": self.note or self.broken,
        }


def table(rows: Sequence[Row], engines: Sequence[str]) -> str:
    """For people: one line per row with value (min..max) per engine, then the notes and the failures."""
    lines = [["", *engines, "ratio", "need", ""]]
    for row in rows:
        ratio = row.ratio()
        cells = [_cell(row, engine) for engine in engines]
        shown = "" if ratio is None else f"{ratio:.2f}"
        lines.append([f"{row.title} [{row.unit}]", *cells, shown, row.need.text(), row.verdict()])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    for row in rows:
        text += [f"  {row.title}: {note}" for note in (row.note, row.broken) if note]
        text += [f"  {row.title}: {engine} has no figure: {why}" for engine, why in row.failures.items()]
    return "\n".join(text)


def as_json(rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """For machines: the facts about host and engines, and every row with its raw samples."""
    return json.dumps({"facts": dict(facts), "rows": [row.record() for row in rows]}, indent=2) + "\n"


def _cell(row: Row, engine: str) -> str:
    value = row.value(engine)
    if value is None:
        return "failed" if engine in row.failures else ""
    samples = row.samples[engine]
    if len(samples) == 1:
        return _figure(value)
    return f"{_figure(value)} ({_figure(min(samples))}..{_figure(max(samples))})"


def _figure(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
