# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth exec` is a program in somebody else's container."""

from __future__ import annotations

import hashlib
import os
import pathlib
import signal
import subprocess
import time

import pytest

from .conftest import PATIENCE, Berth, until


@pytest.fixture
def box(berth: Berth) -> Berth:
    berth.start("--name", "box", "-e", "A=container", "base", "sleep", "1000")
    return berth


def test_streams_and_status(box: Berth) -> None:
    done = box("exec", "box", "sh", "-c", "echo out; echo err >&2; cat; exit 5", input=b"not connected")
    assert (done.returncode, done.stdout, done.stderr) == (5, b"out\n", b"err\n")
    assert box("exec", "-i", "box", "cat", input=b"connected").stdout == b"connected"


def test_options_reach_the_process(box: Berth) -> None:
    said = box.ok("exec", "-e", "B=here", "-u", "65534", "-w", "/tmp", "box", "sh", "-c", "echo $A $B; id -u; pwd")
    assert said == "container here\n65534\n/tmp\n"


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["box", "nope"], 127, b"berth: command 'nope' is not in the container"),
        (["box", "/etc/passwd"], 126, b"berth: command '/etc/passwd' can't be executed"),
        (["nobody", "true"], 125, b"berth: no container 'nobody'"),
        (["-it", "box", "sh"], 125, b"berth: the input device is not a TTY"),
        (["box", "sh", "-c", "kill -TERM $$"], 143, b""),
    ],
)
def test_every_end_has_its_status(box: Berth, words: list[str], status: int, sentence: bytes) -> None:
    done = box("exec", *words)
    assert done.returncode == status
    assert done.stderr.startswith(sentence)


def test_a_container_that_does_not_run(box: Berth) -> None:
    box.ok("stop", "-t", "0", "box")
    done = box("exec", "box", "true")
    assert (done.returncode, done.stderr) == (125, b"berth: container box does not run: start it first\n")


def test_ten_megabytes(box: Berth, tmp_path: pathlib.Path) -> None:
    data = os.urandom(10_000_000)
    (tmp_path / "data").write_bytes(data)
    said = box.shell(f"berth exec -i box cat < {tmp_path}/data | sha256sum").stdout
    assert said.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_a_reader_that_goes_away_ends_it(box: Berth) -> None:
    assert box.shell("berth exec box yes | head -n 1").stdout == b"y\n"
    time.sleep(0.2)
    assert "yes" not in box.ok("exec", "box", "ps")


def test_what_it_leaves_behind_keeps_nobody_waiting(box: Berth) -> None:
    began = time.monotonic()
    assert box.ok("exec", "box", "sh", "-c", "sleep 20 & echo done") == "done\n"
    assert time.monotonic() - began < 5


def test_in_the_background(box: Berth) -> None:
    assert box.ok("exec", "-d", "box", "sh", "-c", "yes | head -c 1000000; sleep 0.2; touch /made") == ""
    for _unused in range(100):
        if box("exec", "box", "test", "-e", "/made").returncode == 0:
            return
        time.sleep(0.05)
    pytest.fail("the process in the background did not get to its end")


def test_an_interrupt_ends_the_client_and_the_process(box: Berth) -> None:
    client = box.popen("exec", "box", "sh", "-c", "echo ready; sleep 60", stdout=subprocess.PIPE)
    assert client.stdout
    assert client.stdout.readline() == b"ready\n"
    client.send_signal(signal.SIGINT)
    assert client.wait(PATIENCE) == 130
    until(lambda: "sleep 60" not in box.ok("exec", "box", "ps"))
