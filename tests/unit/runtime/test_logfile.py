# SPDX-License-Identifier: GPL-3.0-or-later
"""The log's lines and files: what is written is what Docker's json-file reader finds, whatever the bytes and their borders."""

from __future__ import annotations

import json
import os
import pathlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.logfile import (
    LONGEST,
    LogFile,
    timestamp,
)


def lines(path: pathlib.Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def texts(path: pathlib.Path, stream: str = "") -> str:
    return "".join(line["log"] for line in lines(path) if stream in ("", line["stream"]))


def test_a_line_is_a_line(tmp_path: pathlib.Path) -> None:
    log = LogFile(str(tmp_path / "log"), 1 << 20, 5)
    log.write("stdout", b"hello\n")
    log.write("stderr", b'oh\n\ttab\\ "quote"\n')
    log.close()
    shown = lines(tmp_path / "log")
    assert [(line["stream"], line["log"]) for line in shown] == [
        ("stdout", "hello\n"),
        ("stderr", "oh\n"),
        ("stderr", '\ttab\\ "quote"\n'),
    ]
    assert all(set(line) == {"log", "stream", "time"} for line in shown)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", shown[0]["time"])
    assert os.stat(tmp_path / "log").st_mode & 0o777 == 0o600


def test_a_line_waits_for_its_end_and_streams_do_not_mix(tmp_path: pathlib.Path) -> None:
    log = LogFile(str(tmp_path / "log"), 1 << 20, 5)
    for stream, data in (("stdout", b"ab"), ("stderr", b"12"), ("stdout", b"c\nd"), ("stderr", b"3\n")):
        log.write(stream, data)
    assert [line["log"] for line in lines(tmp_path / "log")] == ["abc\n", "123\n"]
    log.close()
    assert [line["log"] for line in lines(tmp_path / "log")] == ["abc\n", "123\n", "d"]


def test_a_line_without_end_is_cut(tmp_path: pathlib.Path) -> None:
    log = LogFile(str(tmp_path / "log"), 1 << 20, 5)
    for _unused in range(5):
        log.write("stdout", b"x" * (LONGEST // 2))
    assert len(lines(tmp_path / "log")) == 2
    log.close()
    assert texts(tmp_path / "log") == "x" * (LONGEST // 2 * 5)


@pytest.mark.parametrize("data", [b"\xff\xfe\n", b"\x00\x1b[31m\n", "\u2028é\U0001f600\n".encode(), b"\xed\xa0\x80\n"])
def test_any_bytes_make_one_line_of_json(tmp_path: pathlib.Path, data: bytes) -> None:
    log = LogFile(str(tmp_path / "log"), 1 << 20, 5)
    log.write("stdout", data)
    log.close()
    assert len((tmp_path / "log").read_bytes().splitlines()) == 1
    assert texts(tmp_path / "log") == data.decode("utf-8", "replace")


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.text(max_size=40))))
def test_nothing_is_lost_whatever_the_borders(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    log = LogFile(str(path), 1 << 20, 5)
    for stream, text in pieces:
        log.write(stream, text.encode())
    log.close()
    for stream in ("stdout", "stderr"):
        assert texts(path, stream) == "".join(text for name, text in pieces if name == stream)


def test_files_are_bounded_in_size_and_number(tmp_path: pathlib.Path) -> None:
    log = LogFile(str(tmp_path / "log"), 2000, 3)
    for number in range(200):
        log.write("stdout", b"line %03d\n" % number)
    log.close()
    assert sorted(os.listdir(tmp_path)) == ["log", "log.1", "log.2"]
    assert all(os.stat(tmp_path / name).st_size <= 2000 for name in os.listdir(tmp_path))
    kept = [line["log"] for name in ("log.2", "log.1", "log") for line in lines(tmp_path / name)]
    assert kept == [f"line {number:03d}\n" for number in range(200 - len(kept), 200)]
    assert len(kept) > 20


def test_one_file_starts_anew(tmp_path: pathlib.Path) -> None:
    log = LogFile(str(tmp_path / "log"), 500, 1)
    for number in range(50):
        log.write("stdout", b"%d\n" % number)
    log.close()
    assert os.listdir(tmp_path) == ["log"]
    assert os.stat(tmp_path / "log").st_size <= 500
    assert lines(tmp_path / "log")[-1]["log"] == "49\n"


def test_a_restart_goes_on_in_the_same_file(tmp_path: pathlib.Path) -> None:
    for number in range(3):
        log = LogFile(str(tmp_path / "log"), 1 << 20, 5)
        log.write("stdout", b"%d\n" % number)
        log.close()
    assert texts(tmp_path / "log") == "0\n1\n2\n"


def test_time_has_nine_digits() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000000000Z"
    assert timestamp(1_700_000_000_000_000_001) == "2023-11-14T22:13:20.000000001Z"
