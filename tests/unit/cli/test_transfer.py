# SPDX-License-Identifier: GPL-3.0-or-later
"""A transfer on a terminal and elsewhere: bars that are drawn again, and a line for each blob at its end."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cli import say, transfer
from ansible_collections.berth.containers.plugins.module_utils._engine.progress import DONE, THERE, WAITING, Event

MIB = 1 << 20
DIGEST = f"sha256:{'ab' * 32}"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(say, "out", lambda data, _descriptor: found.append(data.decode()))
    monkeypatch.setattr(transfer.terminal, "size", lambda _descriptor: (24, 100))
    return found


def test_lines(said: list[str]) -> None:
    tell = transfer.Lines()
    tell(Event(what="pull", digest=DIGEST, total=MIB, state=WAITING))
    tell(Event(what="pull", digest=DIGEST, done=5, total=MIB))
    assert said == []
    tell(Event(what="pull", digest=DIGEST, total=MIB, state=THERE))
    tell(Event(what="import", digest="", done=MIB, total=MIB, state=DONE, name="site:1"))
    assert [line.split(" ")[0] for line in said] == ["abababababab:", "site:1:"]
    assert "Already there" in said[0] and "Complete" in said[1]


def test_bars(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(transfer.time, "monotonic", lambda: now[0])
    tell = transfer.Bars()
    for second, done in enumerate((0, 2, 4)):
        now[0] = float(second)
        tell(Event(what="import", digest="", done=done * MIB, total=8 * MIB, name="site:1"))
    assert "site:1: [============>           ]" in said[-1] and "/s" in said[-1]
    now[0] = 3.0
    tell(Event(what="import", digest="", done=6 * MIB, name="site:1"))
    assert "site:1: Running" in said[-1] and "/s" in said[-1] and "[=" not in said[-1]
    tell(Event(what="import", digest="", done=6 * MIB, total=6 * MIB, state=DONE, name="site:1"))
    assert "site:1: Complete" in said[-1] and said[-1].startswith("\x1b[1A"), "drawn over the line before"


def test_steps_come_before_bytes(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(transfer.time, "monotonic", lambda: now[0])
    lines, tell = transfer.Lines(), transfer.Bars()
    for step in ("Retrieving a (1)", "Unpacking the base system..."):
        lines(Event(what="import", digest="", name="debian:13", step=step))
        assert said == [] or "Retrieving" in said[-1]
        tell(Event(what="import", digest="", name="debian:13", step=step))
        assert f"debian:13: {step}" in said[-1], "also soon after the last"
    now[0] = 100.0
    tell(Event(what="import", digest="", done=4 * MIB, name="debian:13"))
    now[0] = 102.0
    tell(Event(what="import", digest="", done=4 * MIB, name="debian:13"))
    assert "2.1MB/s" in said[-1], "the program's time is not the reading's"
