# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending containers: ask, wait once for all, insist; and nothing of the caller's that waits for them to end."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import hierarchy, places
from ansible_collections.berth.containers.plugins.module_utils._engine.container import record as records
from ansible_collections.berth.containers.plugins.module_utils._engine.container import stop
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError, InvalidSpec
from ansible_collections.berth.containers.tests.kernel.house import DEAF, House, in_child, read_to_end

ENGINE = pathlib.Path(stop.__file__).parents[1]


def stopped(house: House, name: str) -> tuple[float, dict[str, object]]:
    """How long it took, and how it ended."""
    begun = time.monotonic()
    assert house.ask("container", name=name, state="stopped").changed
    return time.monotonic() - begun, house.info(name)["state"]


def test_term_is_heeded(house: House) -> None:
    made = house.up(
        ["sh", "-c", "trap 'echo going; exit 7' TERM; echo up; while :; do sleep 1 & wait $!; done"], stop_timeout=20
    )
    while not house.log(made["name"]):
        time.sleep(0.01)
    took, state = stopped(house, made["name"])
    assert took < 3
    assert (state["status"], state["exit_code"], state["oom_killed"]) == ("exited", 7, False)
    assert [line["log"] for line in house.log(made["name"])] == ["up\n", "going\n"]


def test_who_ignores_term_is_killed_when_the_time_is_up(house: House) -> None:
    made = house.up(DEAF, stop_timeout="0.6s")
    time.sleep(0.2)
    took, state = stopped(house, made["name"])
    assert 0.6 <= took < 2.5
    assert state["exit_code"] == 137


@pytest.mark.parametrize("given", ["SIGUSR1", "usr1", 10])
def test_stop_signal(house: House, given: object) -> None:
    script = "trap 'exit 4' USR1; trap '' TERM; echo up; while :; do sleep 1 & wait $!; done"
    made = house.up(["sh", "-c", script], stop_signal=given, stop_timeout=20)
    while not house.log(made["name"]):
        time.sleep(0.01)
    took, state = stopped(house, made["name"])
    assert took < 3
    assert state["exit_code"] == 4


def test_bad_signals(house: House) -> None:
    for bad in ("SIGNOTHING", "0", "65", "-1"):
        with pytest.raises(InvalidSpec, match="stop_signal"):
            house.up(stop_signal=bad)


def test_stopping_many_waits_once(house: House) -> None:
    made = [house.up(DEAF, stop_timeout=1)["name"] for _unused in range(5)]
    time.sleep(0.2)
    begun = time.monotonic()
    names = in_child(lambda: stop.stop(house.paths, [records.find(house.paths, name) for name in made]))
    took = time.monotonic() - begun
    assert sorted(names) == sorted(made)
    assert 1 <= took < 2.5
    assert {house.info(name)["state"]["exit_code"] for name in made} == {137}
    assert in_child(lambda: stop.stop(house.paths, [records.find(house.paths, name) for name in made])) == ()


def test_each_has_its_own_patience(house: House) -> None:
    quick, slow = house.up(DEAF, stop_timeout="0.2s"), house.up(DEAF, stop_timeout="0.8s")
    time.sleep(0.2)
    found = [records.find(house.paths, item["name"]) for item in (slow, quick)]
    begun = time.monotonic()
    in_child(lambda: stop.stop(house.paths, found))
    assert 0.8 <= time.monotonic() - begun < 2
    ends = [house.info(item["name"])["state"]["finished_at"] for item in (quick, slow)]
    assert ends == sorted(ends)


def test_the_caller_is_let_go_at_once(house: House, tmp_path: pathlib.Path) -> None:
    """A module's pipes end when the module does, its session and directory are not kept, and no child of its stays."""
    (tmp_path / "lib").mkdir()
    os.symlink(ENGINE, tmp_path / "lib/berth_engine")
    name = house.name()
    house.made.append(name)
    params = {"name": name, "image": "base", "network_mode": "none", "command": DEAF, "stop_timeout": 0}
    request = {"verb": "container", "root": house.paths.root, "params": params}
    program = "import sys; sys.path[:0] = [sys.argv[1]]; from berth_engine import api; sys.exit(api.main())"
    extra = os.open("/dev/null", os.O_RDONLY)
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", program, str(tmp_path / "lib")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        pass_fds=(extra,),
        start_new_session=True,
    ) as caller:
        assert caller.stdin
        assert caller.stdout
        assert caller.stderr
        caller.stdin.write(json.dumps(request).encode())
        caller.stdin.close()
        answer = json.loads(read_to_end(caller.stdout.fileno(), 20))
        assert read_to_end(caller.stderr.fileno(), 1) == b""
        assert caller.wait(1) == 0
        session = caller.pid
    os.close(extra)
    assert answer["ok"], answer
    pid = answer["result"]["container"]["state"]["pid"]
    assert os.path.isdir(f"/proc/{pid}")
    run = house.paths.container_run(records.find(house.paths, name).id)
    supervisor = json.loads(pathlib.Path(f"{run}/state.json").read_text())["supervisor"]
    for process in (pid, supervisor):
        assert os.getsid(process) != session
        assert os.readlink(f"/proc/{process}/cwd") == "/"
    held = {os.readlink(f"/proc/{supervisor}/fd/{fd}") for fd in os.listdir(f"/proc/{supervisor}/fd")}
    assert not [path for path in held if str(tmp_path) in path and "/containers/" not in path], held


def test_a_hangup_of_the_callers_session_hurts_nobody(house: House) -> None:
    made = house.up()
    record = records.find(house.paths, made["name"])
    supervisor = record.state(house.paths).supervisor
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        os.kill(supervisor, number)
    time.sleep(0.1)
    now = record.state(house.paths)
    assert (now.status, now.supervisor) == ("running", supervisor)


def test_what_has_ended_stays_ended(house: House) -> None:
    made = house.up(["sh", "-c", "exit 42"])
    first = house.ended(made["name"])
    assert first["exit_code"] == 42
    assert not house.ask("container", name=made["name"], state="stopped").changed
    assert house.info(made["name"])["state"] == first
    with pytest.raises(EngineError, match="does not run"):
        house.exec(made["name"], ["true"])


def test_auto_remove(house: House) -> None:
    made = house.up(["true"], auto_remove=True)
    end = time.monotonic() + 5
    while house.info(made["name"]) and time.monotonic() < end:
        time.sleep(0.02)
    assert house.info(made["name"]) == {}
    # The answer tells of the container even when it was gone before its module could ask.
    assert made["name"]


def test_a_lost_supervisor_is_done_without(house: House) -> None:
    """Its container keeps running; stop, start and absent work and record what they saw."""
    made = house.up(published_ports=["127.0.0.1:0:80"], network_mode="bridge")
    record = records.find(house.paths, made["name"])
    supervisor = record.state(house.paths).supervisor
    os.kill(supervisor, signal.SIGKILL)
    time.sleep(0.1)
    now = record.state(house.paths)
    assert (now.status, now.supervisor, now.pid, now.lost) == ("running", 0, made["state"]["pid"], True)
    assert house.exec(made["name"], ["echo", "alive"]).out == "alive\n"
    house.ask("container", name=made["name"], state="stopped")
    state = house.info(made["name"])["state"]
    assert (state["status"], state["exit_code"], state["error"]) == ("exited", 137, "its end was not seen")
    assert house.ask("container", name=made["name"], state="started").changed
    again = records.find(house.paths, made["name"]).state(house.paths)
    assert again.supervisor
    os.kill(again.supervisor, signal.SIGKILL)
    house.ask("container", name=made["name"], state="absent")
    assert house.left() == []


def test_a_group_that_does_not_empty_costs_no_exit_status(house: House) -> None:
    """A process of the host's in the container's group: it can't be removed, the end is known all the same, and later all goes."""
    made = house.up(["sh", "-c", "sleep 0.3; exit 6"], auto_remove=False)
    guest = subprocess.Popen(["sleep", "60"])
    try:
        groups = places.directories(hierarchy.mounted(), house.paths.cgroup, made["id"])
        pathlib.Path(groups[0], "cgroup.procs").write_text(str(guest.pid))
        assert house.ended(made["name"])["exit_code"] == 6
        with pytest.raises(EngineError, match="still has processes"):
            house.ask("container", name=made["name"], state="absent")
    finally:
        guest.kill()
        guest.wait()
    house.ask("container", name=made["name"], state="absent")
    assert house.left() == []
