# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth run` is the program itself: its streams, its exit status, its signals, and nothing left of it."""

from __future__ import annotations

import hashlib
import os
import pathlib
import signal
import subprocess
import time

import pytest

from .conftest import PATIENCE, Berth, until


def test_streams_and_status_are_the_program_s(berth: Berth) -> None:
    done = berth.once("base", "sh", "-c", "echo out; echo err >&2; printf '\\377\\000'; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n\xff\x00", b"err\n")


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["base", "nope"], 127, b"berth: command 'nope' is not in the container"),
        (["base", "/no/such"], 127, b"berth: command '/no/such' is not in the container"),
        (["base", "/etc/passwd"], 126, b"berth: command '/etc/passwd' can't be executed: Permission denied"),
        (["absent"], 125, b"berth: image 'absent' is not on this host"),
        (["-m", "lots", "base"], 125, b"berth: memory: 'lots' is no size"),
        (["-it", "base"], 125, b"berth: the input device is not a TTY"),
        (["base", "sh", "-c", "kill -9 $$"], 0, b""),
        (["base", "sh", "-c", "exec 2>&-; (exec sh -c 'kill -9 $$'); exit $?"], 137, b""),
    ],
)
def test_every_end_has_its_status(berth: Berth, words: list[str], status: int, sentence: bytes) -> None:
    done = berth.once(*words)
    assert done.returncode == status
    assert done.stderr.startswith(sentence)
    assert done.stderr.count(b"\n") == (1 if sentence else 0)
    assert berth.containers() == []


def test_a_container_that_could_not_start_is_not_kept(berth: Berth) -> None:
    assert berth("run", "--network", "none", "base", "nope").returncode == 127
    assert berth("run", "-d", "--network", "none", "base", "nope").returncode == 127
    assert berth.containers() == []


def test_without_rm_it_stays_with_its_status(berth: Berth) -> None:
    assert berth("run", "--network", "none", "--name", "stays", "base", "sh", "-c", "exit 3").returncode == 3
    assert "Exited (3)" in berth.ok("ps", "-a")
    assert berth("run", "--network", "none", "--name", "stays", "base").returncode == 125


def test_input_reaches_it_and_ends(berth: Berth) -> None:
    assert berth.once("-i", "base", "cat", input=b"hello\n").stdout == b"hello\n"
    assert berth.once("base", "cat", input=b"hello\n").stdout == b""
    assert berth.once("-i", "base", "true", input=b"x" * 1000000).returncode == 0


def test_ten_megabytes_go_through_both_ways_unchanged(berth: Berth, tmp_path: pathlib.Path) -> None:
    data = os.urandom(10_000_000)
    (tmp_path / "data").write_bytes(data)
    said = berth.shell(f"berth run --rm -i --network none base cat < {tmp_path}/data | sha256sum").stdout
    assert said.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_a_slow_reader_loses_nothing(berth: Berth) -> None:
    writer = berth.popen("run", "--rm", "--network", "none", "base", "seq", "400000", stdout=subprocess.PIPE)
    assert writer.stdout
    time.sleep(0.7)
    lines = writer.stdout.read().split()
    assert writer.wait(PATIENCE) == 0
    assert (len(lines), lines[-1]) == (400000, b"400000")


def test_a_reader_that_goes_away_ends_it(berth: Berth) -> None:
    assert berth.shell("berth run --rm --network none base yes | head -n 1").stdout == b"y\n"
    until(lambda: berth.containers() == [])


def test_closed_standard_streams_are_not_taken_for_others(berth: Berth) -> None:
    done = berth.shell("berth run --rm --network none base sh -c 'echo out; echo err >&2; exit 4' <&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (4, b"", b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_are_sent_on(berth: Berth, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo got; exit 9' {name}; echo ready; while :; do sleep 0.05; done"
    program = berth.popen("run", "--rm", "--network", "none", "base", "sh", "-c", script, stdout=subprocess.PIPE)
    assert program.stdout
    assert program.stdout.readline() == b"ready\n"
    program.send_signal(number)
    assert program.stdout.read() == b"got\n"
    assert program.wait(PATIENCE) == 9


def test_what_is_started_in_the_background_outlives_its_starter(berth: Berth) -> None:
    ident = berth.start("base", "sleep", "100")
    assert len(ident) == 64
    assert berth.ok("ps", "-q", "--no-trunc") == f"{ident}\n"
    name = berth.ok("ps", "--format", "json")
    assert ident in name


def test_options_reach_the_process(berth: Berth, tmp_path: pathlib.Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("from the host\n")
    (tmp_path / "env").write_text("B=file\n")
    script = "id -u; pwd; hostname; echo $A $B; cat /data/file; touch /x 2>&1; touch /scratch/x && echo scratch; grep db /etc/hosts"
    done = berth.once(
        "-u", "65534", "-w", "/tmp", "-h", "box", "-e", "A=option", f"--env-file={tmp_path}/env", f"-v{tmp_path}:/data:ro", "--read-only",
        "--tmpfs", "/scratch:mode=1777", "--add-host", "db:10.0.0.1", "base", "sh", "-c", script,
    )  # fmt: skip
    lines = done.stdout.decode().splitlines()
    assert lines[:5] == ["65534", "/tmp", "box", "option file", "from the host"]
    assert "Read-only file system" in lines[5]
    assert lines[6] == "scratch"
    assert lines[7].split() == ["10.0.0.1", "db"]


def test_entrypoint_and_command(berth: Berth) -> None:
    assert berth.once("--entrypoint", "echo", "base", "a", "b").stdout == b"a b\n"


def test_bytes_that_are_no_text_go_through_whatever_the_locale(berth: Berth) -> None:
    env = {**berth.env, "LC_ALL": "C"}
    done = berth.once("-e", b"X=\xfe", "base", "sh", "-c", 'printf %s "$0$X"', b"\xff", env=env)  # type: ignore[arg-type]
    assert (done.returncode, done.stdout) == (0, b"\xff\xfe")


def test_a_supervisor_that_is_killed_is_noticed(berth: Berth) -> None:
    program = berth.popen(
        "run", "--network", "none", "--name", "lost", "base", "sh", "-c", "echo ready; sleep 60", stdout=-1, stderr=-1
    )
    assert program.stdout and program.stderr
    assert program.stdout.readline() == b"ready\n"
    (directory,) = os.listdir(f"{berth.paths.run}/containers")
    from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.state import supervisor_of

    os.kill(supervisor_of(f"{berth.paths.run}/containers/{directory}"), signal.SIGKILL)
    assert program.wait(PATIENCE) == 125
    assert b"the supervisor of container lost was killed" in program.stderr.read()


def test_what_a_killed_command_left_is_cleaned_up(berth: Berth) -> None:
    left = f"{berth.paths.staging}/container-{'0' * 64}"
    os.makedirs(f"{left}/upper")
    assert berth.once("base", "true").returncode == 0
    until(lambda: not os.path.exists(left))
