# SPDX-License-Identifier: GPL-3.0-or-later
"""A log is read whole, from its end, and on while it grows and rotates; the writer is the engine's own."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cli.journal import Journal, Line, parse
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.logfile import LogFile


def texts(lines: Iterable[Line]) -> list[str]:
    return [line.text for line in lines]


def test_streams_times_and_texts(tmp_path: pathlib.Path) -> None:
    log = LogFile(str(tmp_path / "log"), 1 << 20, 5)
    log.write("stdout", b"one\ntwo\n")
    log.write("stderr", b"no end")
    log.close()
    lines = list(Journal(str(tmp_path / "log")).tail(None))
    assert [(line.stream, line.text) for line in lines] == [
        ("stdout", "one\n"),
        ("stdout", "two\n"),
        ("stderr", "no end"),
    ]
    assert all(line.time.endswith("Z") for line in lines)


@pytest.mark.parametrize("limit", [200, 1 << 20])
def test_the_tail_reaches_into_older_files(tmp_path: pathlib.Path, limit: int) -> None:
    log = LogFile(str(tmp_path / "log"), limit, 50)
    for number in range(20):
        log.write("stdout", b"%d\n" % number)
    assert (tmp_path / "log.1").exists() == (limit == 200)
    assert texts(Journal(str(tmp_path / "log")).tail(None)) == [f"{number}\n" for number in range(20)]
    assert texts(Journal(str(tmp_path / "log")).tail(3)) == ["17\n", "18\n", "19\n"]
    assert texts(Journal(str(tmp_path / "log")).tail(0)) == []
    assert len(texts(Journal(str(tmp_path / "log")).tail(99))) == 20


def test_news_come_once_each_across_a_rotation(tmp_path: pathlib.Path) -> None:
    journal = Journal(str(tmp_path / "log"))
    assert list(journal.tail(None)) == []
    assert journal.news() == []
    log = LogFile(str(tmp_path / "log"), 300, 3)
    seen: list[str] = []
    for number in range(40):
        log.write("stdout", b"%d\n" % number)
        if number % 2:
            seen += texts(journal.news())
    assert (tmp_path / "log.2").exists()
    assert seen == [f"{number}\n" for number in range(40)]


def test_half_a_line_waits_for_its_other_half(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"log":"a')
    journal = Journal(str(path))
    assert list(journal.tail(None)) == []
    with path.open("ab") as file:
        file.write(b'b\\n","stream":"stdout","time":"now"}\n')
    assert texts(journal.news()) == ["ab\n"]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"log":"x"}', b"\xff"])
def test_what_a_crash_left_is_passed_over(raw: bytes) -> None:
    assert parse(raw) is None


def test_a_line() -> None:
    line = parse(b'{"log":"x","stream":"stderr","time":"t"}')
    assert isinstance(line, Line)
    assert (line.text, line.stream, line.time) == ("x", "stderr", "t")
