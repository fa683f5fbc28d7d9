# SPDX-License-Identifier: GPL-3.0-or-later
"""The line of a transfer: what it says, that it goes, that a dead one's goes with the next, and that it never stands in the way."""

from __future__ import annotations

import fcntl
import os
import pathlib

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine import reporting
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.progress import (
    DONE,
    THERE,
    WAITING,
    Event,
    named,
    silent,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.reporting import Reporting, read

MIB = 1 << 20


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Paths:
    found = Paths(str(tmp_path))
    found.run = str(tmp_path / "run")
    return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(reporting.time, "monotonic", lambda: now[0])
    return now


def test_the_line_of_a_pull(paths: Paths, clock: list[float]) -> None:
    with Reporting(paths, "ab12") as report:
        assert read(paths, "ab12") == ""
        tell = named(report, "app:1")
        tell(Event(what="pull", digest="a", total=100 * MIB, state=THERE))
        tell(Event(what="pull", digest="b", total=50 * MIB, state=WAITING))
        tell(Event(what="pull", digest="c", total=50 * MIB, state=WAITING))
        assert read(paths, "ab12") == "pull app:1: 1 of 3 layers, 100.0MiB of 200.0MiB"
        clock[0] += 2
        tell(Event(what="pull", digest="b", done=20 * MIB, total=50 * MIB))
        assert read(paths, "ab12") == "pull app:1: 1 of 3 layers, 120.0MiB of 200.0MiB, 10.0MiB/s"
        clock[0] += 0.1
        tell(Event(what="pull", digest="b", done=21 * MIB, total=50 * MIB))
        assert "120.0MiB" in read(paths, "ab12"), "it is not written for every block"
        tell(Event(what="pull", digest="b", total=50 * MIB, state=DONE))
        assert read(paths, "ab12").startswith("pull app:1: 2 of 3 layers, 150.0MiB of 200.0MiB")
        named(report, "other:2")(Event(what="push", digest="x", total=0, done=512))
        assert read(paths, "ab12") == "push other:2: 0 of 1 blob, 512B"
    assert read(paths, "ab12") == ""
    assert os.listdir(f"{paths.run}/progress") == []


def test_what_is_made_has_no_digest_yet(paths: Paths, clock: list[float]) -> None:
    with Reporting(paths, "ab12") as report:
        tell = named(report, "site:1")
        tell(Event(what="import", digest="", done=MIB))
        assert read(paths, "ab12") == "import site:1: 1.0MiB"
        clock[0] += 1
        tell(Event(what="import", digest="", done=2 * MIB, total=8 * MIB))
        assert read(paths, "ab12") == "import site:1: 2.0MiB of 8.0MiB, 1.0MiB/s"


def test_a_step_is_told_at_once(paths: Paths, clock: list[float]) -> None:
    """It may be the last for a long time; bytes come after it."""
    with Reporting(paths, "ab12") as report:
        tell = named(report, "debian:13")
        tell(Event(what="import", digest="", step="Retrieving a (1)"))
        clock[0] += 0.01
        tell(Event(what="import", digest="", step="Unpacking required packages..."))
        assert read(paths, "ab12") == "import debian:13: Unpacking required packages..."
        clock[0] += 60
        tell(Event(what="import", digest="", done=2 * MIB))
        assert read(paths, "ab12").startswith("import debian:13: 2.0MiB")


def test_a_dead_ones_goes_with_the_next(paths: Paths) -> None:
    os.makedirs(f"{paths.run}/progress")
    for name in ("dead", "live"):
        pathlib.Path(f"{paths.run}/progress/{name}").write_text(name)
    with open(f"{paths.run}/progress/live") as live:
        fcntl.flock(live, fcntl.LOCK_EX)
        with Reporting(paths, "ab12"):
            assert sorted(os.listdir(f"{paths.run}/progress")) == ["ab12", "live"]


def test_it_never_stands_in_the_way(paths: Paths) -> None:
    pathlib.Path(paths.run).write_text("no directory")
    with Reporting(paths, "ab12") as report:
        report(Event(what="pull", digest="a"))
    assert read(paths, "ab12") == ""


@pytest.mark.parametrize("token", ["", "../a", "a/b", "a b", None, 7, "x" * 65, "\u00e4"])
def test_a_token_is_no_path(paths: Paths, token: object) -> None:
    with pytest.raises(InvalidSpec, match="token"):
        read(paths, token)


def test_nobody_is_told_by_name() -> None:
    assert named(silent, "app") is silent
