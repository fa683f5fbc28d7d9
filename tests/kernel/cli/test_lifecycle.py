# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers begin and end by hand as they do by module, one or many at a time."""

from __future__ import annotations

import json
import pathlib
import time

from ansible_collections.berth.containers.plugins.module_utils._engine.container.converge import container

from .conftest import Berth

STUBBORN = "trap '' TERM; while :; do sleep 0.1; done"
WILLING = "trap 'exit 3' TERM; while :; do sleep 0.02; done"


def test_stopping_many_waits_once(berth: Berth) -> None:
    for number in range(3):
        berth.start("--name", f"stubborn{number}", "base", "sh", "-c", STUBBORN)
    began = time.monotonic()
    assert berth.ok("stop", "-t", "1", "stubborn0", "stubborn1", "stubborn2").split() == [
        "stubborn0",
        "stubborn1",
        "stubborn2",
    ]
    assert 1 <= time.monotonic() - began < 2.5
    assert berth.ok("ps", "-a").count("Exited (137)") == 3


def test_stop_start_restart_kill(berth: Berth) -> None:
    berth.start("--name", "web", "base", "sh", "-c", WILLING)
    time.sleep(0.3)
    assert berth.ok("stop", "web") == "web\n"
    assert "Exited (3)" in berth.ok("ps", "-a")
    assert berth.ok("stop", "web") == "web\n"
    assert berth.ok("start", "web") == "web\n"
    first = json.loads(berth.ok("inspect", "web"))[0]["state"]["pid"]
    assert berth.ok("restart", "-t", "0", "web") == "web\n"
    second = json.loads(berth.ok("inspect", "web"))[0]["state"]["pid"]
    assert first and second and first != second
    assert berth("rm", "web").returncode == 73
    time.sleep(0.3)
    assert berth.ok("kill", "-s", "TERM", "web") == "web\n"
    time.sleep(0.3)
    assert "Exited (3)" in berth.ok("ps", "-a")
    assert berth("kill", "web").stderr == b"berth: container web does not run: berth start starts it\n"
    assert berth("kill", "-s", "NOPE", "web").returncode == 64
    berth.ok("start", "web")
    assert berth.ok("kill", "web") == "web\n"
    assert "Exited (137)" in berth.ok("ps", "-a")


def test_attached_starts(berth: Berth) -> None:
    berth.ok("create", "-i", "--network", "none", "--name", "again", "base", "sh", "-c", "cat; exit 4")
    done = berth("start", "-a", "-i", "again", input=b"once\n")
    assert (done.returncode, done.stdout) == (4, b"once\n")
    done = berth("start", "-ai", "again", input=b"twice\n")
    assert (done.returncode, done.stdout) == (4, b"twice\n")


def test_what_stands_still_is_not_started(berth: Berth) -> None:
    """Docker refuses it as well: it is neither started anew nor let go on in silence."""
    for name in ("still", "other"):
        berth.start("--name", name, "base", "sleep", "100")
    pid = json.loads(berth.ok("inspect", "still"))[0]["state"]["pid"]
    berth.ok("pause", "still")
    said = b"berth: container still is paused: berth unpause still lets it go on\n"
    for words, code, out in ((["still", "other"], 73, b"other\n"), (["-a", "still"], 125, b"")):
        done = berth("start", *words)
        assert (done.returncode, done.stdout, done.stderr) == (code, out, said)
    now = json.loads(berth.ok("inspect", "still"))[0]["state"]
    assert (now["status"], now["pid"]) == ("paused", pid)
    berth.ok("unpause", "still")
    assert berth.ok("start", "still") == "still\n"
    # To begin anew is another thing.
    berth.ok("pause", "still")
    berth.ok("restart", "-t", "0", "still")
    assert json.loads(berth.ok("inspect", "still"))[0]["state"]["status"] == "running"


def test_a_damaged_record_hides_no_other_container(berth: Berth) -> None:
    ident = berth.start("--name", "bad", "base", "sleep", "100")
    berth.start("--name", "good", "base", "sleep", "100")
    record = pathlib.Path(berth.paths.container(ident), "record.json")
    record.write_bytes(record.read_bytes()[:50])
    done = berth("ps", "--format", "json")
    assert [one["name"] for one in json.loads(done.stdout)] == ["good"]
    assert done.returncode == 76
    assert done.stderr.startswith(b"berth: container bad: ")
    assert b"is not a record: remove the object it belongs to" in done.stderr
    assert b"good" in berth("stats", "--no-stream").stdout
    assert berth("rm", "bad").stderr == b"berth: container bad runs: stop it first, or remove it by force\n"
    assert berth.ok("rm", "-f", "bad", "good") == "bad\ngood\n"
    assert berth.containers() == []


def test_one_wrong_name_keeps_none_of_the_others(berth: Berth) -> None:
    berth.start("--name", "one", "base", "sleep", "100")
    berth.start("--name", "two", "base", "sleep", "100")
    done = berth("rm", "-f", "one", "nobody", "two")
    assert done.returncode == 66
    assert done.stdout == b"one\ntwo\n"
    assert done.stderr == b"berth: no container 'nobody': berth ps -a lists those there are\n"
    assert berth.containers() == []


def test_what_a_module_made_is_there_by_hand(berth: Berth) -> None:
    params = {"name": "by-module", "image": "base", "command": ["sleep", "100"], "network_mode": "none", "state": "started",
              "labels": {"role": "web\x1b[2J"}}  # fmt: skip
    assert container(berth.paths, params, check=False).changed
    assert "by-module" in berth.ok("ps")
    (shown,) = json.loads(berth.ok("ps", "--format", "json", "-f", "label=role"))
    assert (shown["name"], shown["command"], shown["status"]) == ("by-module", ["sleep", "100"], "running")
    assert "\x1b" not in berth.ok("inspect", "by-module")
    assert berth.ok("exec", "by-module", "echo", "hi") == "hi\n"


def test_commands_that_carry_escapes_do_not_reach_the_terminal(berth: Berth) -> None:
    berth.start("--name", "odd", "base", "sh", "-c", "sleep 100 # \x1b[31m\nnext")
    said = berth.ok("ps", "--no-trunc")
    assert "\x1b" not in said
    assert "\\x1b[31m\\nnext" in said
    assert said.count("\n") == 2


def test_names_are_made_up_and_listed(berth: Berth) -> None:
    berth.start("base", "sleep", "100")
    berth.start("base", "sleep", "100")
    names = {item["name"] for item in json.loads(berth.ok("ps", "--format", "json"))}
    assert len(names) == 2
    assert all(name.count("-") == 2 for name in names)
