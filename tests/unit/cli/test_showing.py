# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read: times, states, sizes, and names that can't steer a terminal."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cli import say, showing
from ansible_collections.berth.containers.plugins.module_utils._engine.network.ports import Port
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.state import State


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "less than a second"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "1 minute"),
        (3599, "59 minutes"),
        (3600, "1 hour"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (13 * 86400, "13 days"),
        (14 * 86400, "2 weeks"),
        (400 * 86400, "13 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert showing.duration(seconds) == text


def test_states() -> None:
    assert showing.status(State(), 1000) == "Created"
    assert showing.status(State(status="running", pid=5, supervisor=4, started_at=700), 1000) == "Up 5 minutes"
    assert showing.status(State(status="running", pid=5, started_at=700), 1000) == "Up 5 minutes (no supervisor)"
    assert showing.status(State(status="exited", exit_code=3, finished_at=990), 1000) == "Exited (3) 10 seconds ago"
    assert showing.status(State(status="exited", exit_code=-1, started_at=990), 1000) == "Exited (?) 10 seconds ago"


def test_the_clock_may_have_been_set_back() -> None:
    assert showing.ago(2000, 1000) == "less than a second ago"


@pytest.mark.parametrize(("count", "text"), [(0, "0B"), (999, "999B"), (2145647, "2.15MB"), (5 * 10**12, "5TB")])
def test_sizes(count: int, text: str) -> None:
    assert showing.size(count) == text


def test_ports() -> None:
    assert showing.port(Port(host_port=8080, container_port=80)) == "0.0.0.0:8080->80/tcp"
    assert showing.port(Port(host_port=0, container_port=53, protocol="udp")) == "0.0.0.0:?->53/udp"


def test_ids() -> None:
    assert showing.short_id("sha256:0123456789abcdef") == "0123456789ab"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("web-1", "web-1"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb", "a\\nb"),
        ("Süß", "Süß"),
        ("\udcff", "\\udcff"),
        ("right\u202eleft", "right\\u202eleft"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_plain(text: str, safe: str) -> None:
    assert say.plain(text) == safe


def test_a_table_s_columns_are_as_wide_as_their_widest_cell(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    say.table(("ID", "NAME"), [("1", "a"), ("12345", "b\x1b[0m")])
    assert capfdbinary.readouterr().out == b"ID      NAME\n1       a\n12345   b\\x1b[0m\n"
