# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth logs` gives back what was said, while it is said and after the end."""

from __future__ import annotations

import re
import subprocess
import time

from .conftest import PATIENCE, Berth

TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"


def test_after_the_end_each_stream_is_its_own(berth: Berth) -> None:
    berth(
        "run",
        "--network",
        "none",
        "--name",
        "said",
        "base",
        "sh",
        "-c",
        "echo one; echo two >&2; echo three; printf end",
    )
    done = berth("logs", "said")
    assert (done.stdout, done.stderr) == (b"one\nthree\nend", b"two\n")
    stamped = berth("logs", "-t", "said")
    assert re.fullmatch(TIME + rb" one\n" + TIME + rb" three\n" + TIME + rb" end", stamped.stdout)
    assert re.fullmatch(TIME + rb" two\n", stamped.stderr)
    assert berth("logs", "--tail", "1", "said").stdout == b"end"
    assert berth("logs", "-n0", "said").stdout == b""


def test_following_goes_on_to_the_end(berth: Berth) -> None:
    berth.start("--name", "talks", "base", "sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.2; done; printf last")
    follower = berth.popen("logs", "-f", "talks", stdout=subprocess.PIPE)
    out, _unused = follower.communicate(timeout=PATIENCE)
    assert (follower.returncode, out) == (0, b"1\n2\n3\n4\n5\nlast")


def test_a_reader_that_goes_away_ends_it_as_it_ends_others(berth: Berth) -> None:
    berth("run", "--network", "none", "--name", "long", "base", "seq", "100000")
    done = berth.shell("berth logs long | head -n 1; sleep 0.1")
    assert (done.stdout, done.stderr) == (b"1\n", b"")


def test_nothing_was_said(berth: Berth) -> None:
    berth.ok("create", "--network", "none", "--name", "silent", "base")
    began = time.monotonic()
    assert berth.ok("logs", "-f", "silent") == ""
    assert time.monotonic() - began < 5
