# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict of a row and the way samples are taken, without any engine."""

from __future__ import annotations

from typing import Any, cast

import pytest

from ansible_collections.berth.containers.tests.benchmarks.command import CommandFailed, clock
from ansible_collections.berth.containers.tests.benchmarks.engines import Engine
from ansible_collections.berth.containers.tests.benchmarks.report import Need, Row, table
from ansible_collections.berth.containers.tests.benchmarks.trial import Trial


class Named:
    """An engine by its name alone."""

    def __init__(self, name: str) -> None:
        self.name = name


def row(need: Need, ours: list[float], docker: list[float], podman: list[float], **more: Any) -> Row:
    samples = {"berth": ours, "docker": docker, "podman": podman}
    return Row("a row", "ms", need, samples, more.pop("failures", {}), **more)


def trial_of(*names: str) -> Trial:
    return Trial([cast(Engine, Named(name)) for name in names])


@pytest.mark.parametrize(
    ("need", "ours", "verdict"),
    [
        (Need(ratio=0.5), 50.0, "PASS"),
        (Need(ratio=0.5), 50.1, "MISS"),
        (Need(ratio=1.9, more_is_better=True), 380.0, "PASS"),
        (Need(ratio=1.9, more_is_better=True), 379.0, "MISS"),
        (Need(amount=5), 5.0, "PASS"),
        (Need(amount=5), 5.1, "MISS"),
        (Need(), 1.0, "-"),
    ],
)
def test_verdict_compares_with_the_best_peer(need: Need, ours: float, verdict: str) -> None:
    assert row(need, [ours], [100.0], [200.0]).verdict() == verdict


def test_value_is_the_median_or_the_mean() -> None:
    assert row(Need(), [1, 2, 9], [], []).value("berth") == 2
    assert row(Need(), [1, 2, 9], [], [], mean=True).value("berth") == 4
    assert row(Need(), [], [], []).value("berth") is None


def test_nothing_to_compare_is_no_verdict() -> None:
    assert row(Need(ratio=0.5), [1], [], []).verdict() == "-"
    assert row(Need(ratio=0.5), [], [1], [1]).verdict() == "-"


def test_a_failure_of_ours_or_a_broken_promise_is_a_miss() -> None:
    assert row(Need(ratio=0.5), [], [1], [1], failures={"berth": "no such image"}).verdict() == "MISS"
    assert row(Need(ratio=0.5), [0.1], [1], [1], broken="another digest").verdict() == "MISS"
    assert row(Need(ratio=0.5), [0.1], [1], [], failures={"podman": "no such image"}).verdict() == "PASS"


def test_table_shows_noise_ratio_and_reasons() -> None:
    text = table(
        [row(Need(ratio=0.5), [10, 20, 30], [50], [], failures={"podman": "gone"})], ["berth", "docker", "podman"]
    )
    assert "20.0 (10.0..30.0)" in text
    assert "0.40" in text
    assert "PASS" in text
    assert "podman has no figure: gone" in text


def test_engines_take_turns() -> None:
    turns: list[tuple[str, int]] = []

    def take(engine: Engine, index: int) -> tuple[float, ...]:
        turns.append((engine.name, index))
        return (index,)

    trial_of("a", "b").sample(4, take, block=2)
    assert turns == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2), ("b", 3), ("a", 2), ("a", 3)]


def test_an_engine_that_fails_drops_out_alone() -> None:
    def take(engine: Engine, index: int) -> tuple[float, ...]:
        if engine.name == "a" and index == 1:
            raise CommandFailed("out of order")
        return (index, index * 10)

    trial = trial_of("a", "b")
    trial.sample(3, take)
    figures = trial.row("a row", "ms", Need(), column=1)
    assert figures.samples == {"a": [0], "b": [0, 10, 20]}
    assert figures.failures == {"a": "out of order"}


def test_clock_says_why_a_command_failed() -> None:
    with pytest.raises(CommandFailed, match="exit status 3: why"):
        clock(["sh", "-c", "echo why >&2; exit 3"])
    with pytest.raises(CommandFailed, match=r"not done in 0\.2 s"):
        clock(["sleep", "5"], limit=0.2)
    assert clock(["echo", "word"])[1] == "word"
