# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb container: a check predicts what a run does, a run does it, a second run changes nothing, and errors leave what was."""

from __future__ import annotations

import itertools
import os
import pathlib
import subprocess
import time
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine import api
from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import hierarchy
from ansible_collections.berth.containers.plugins.module_utils._engine.container import freezing
from ansible_collections.berth.containers.plugins.module_utils._engine.container import record as records
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    CommandNotFound,
    EngineError,
    InvalidSpec,
    NotFound,
    NotPermitted,
    Unsupported,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.tests.kernel.house import WAIT, House, in_child
from ansible_collections.berth.containers.tests.kernel.storage.trees import ledger

BASE: dict[str, Any] = {"image": "base", "network_mode": "none", "command": WAIT, "stop_timeout": 0}
STATUSES = ("absent", "created", "running", "exited", "paused")
STATES = ("absent", "present", "started", "stopped", "paused")


def converge(house: House, **params: Any) -> bool:
    """Check, run, run, check: the prediction is exact, and the second run changes nothing. Whether the first one did."""
    before = ledger(house.paths.root)
    predicted = house.ask("container", check=True, **params)
    assert ledger(house.paths.root) == before
    done = house.ask("container", **params)
    assert (predicted.changed, predicted.before, predicted.after) == (done.changed, done.before, done.after)
    assert done.changed == (done.before != done.after) or params.get("recreate")
    if not params.get("recreate"):
        for check in (False, True):
            again = house.ask("container", check=check, **params)
            assert (again.changed, again.before, again.after) == (False, done.after, done.after)
    return done.changed


def status(house: House, name: str) -> str:
    found = house.info(name)
    return str(found["state"]["status"]) if found else "absent"


def bring(house: House, name: str, where: str) -> None:
    """The container in that status, whatever it was."""
    house.ask("container", name=name, state="absent")
    if where == "created":
        house.ask("container", name=name, **BASE, state="present")
    elif where != "absent":
        house.ask("container", name=name, **BASE)
        if where == "exited":
            house.ask("container", name=name, **BASE, state="stopped")
        elif where == "paused":
            in_child(lambda: freezing.pause(house.paths, records.find(house.paths, name)))
    assert status(house, name) == where


@pytest.mark.parametrize(("where", "state"), list(itertools.product(STATUSES, STATES)))
def test_from_every_status_to_every_state(house: House, where: str, state: str) -> None:
    name = house.name()
    bring(house, name, where)
    became = {
        "absent": "absent",
        "present": "created" if where == "absent" else where,
        "started": "running",
        "paused": "paused",
        "stopped": {"absent": "created", "created": "created"}.get(where, "exited"),
    }[state]
    changed = converge(house, name=name, **({} if state == "absent" else BASE), state=state)
    assert changed == (became != where)
    assert status(house, name) == became


@pytest.mark.parametrize(
    "change",
    [
        {"env": {"A": "1"}},
        {"labels": {"a": "1"}},
        {"memory": "64M"},
        {"cpus": 0.5},
        {"pids_limit": 100},
        {"stop_timeout": 1},
        {"stop_signal": "INT"},
        {"read_only": True},
        {"tmpfs": ["/t"]},
        {"volumes": ["/etc/hostname:/v"]},
        {"user": "1234"},
        {"cap_drop": ["ALL"]},
        {"hostname": "other"},
        {"network_mode": "host"},
        {"userns_mode": "host"},
        {"etc_hosts": {"a": "192.0.2.1"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_field_is_changed_and_taken_back(house: House, change: dict[str, Any]) -> None:
    """A removed variable or label is a difference as much as an added one. Live ones keep the process."""
    name = house.name()
    converge(house, name=name, **BASE)
    first = house.info(name)
    live = set(change) <= {"memory", "cpus", "pids_limit", "labels", "stop_signal", "stop_timeout"}
    for params in ({**BASE, **change}, BASE):
        assert converge(house, name=name, **params)
        now = house.info(name)
        assert (now["state"]["pid"] == first["state"]["pid"]) == live
        assert (now["id"] == first["id"]) == live
    assert len(os.listdir(house.paths.containers)) == 1


def test_spellings_are_no_difference(house: House, tmp_path: pathlib.Path) -> None:
    name = house.name()
    spelled = (
        {"memory": "64M", "cap_add": ["NET_RAW"], "volumes": [f"{tmp_path}:/v"], "command": "sleep 1000", "stop_signal": "TERM"},
        {"memory": 67108864, "cap_add": ["cap_net_raw"], "volumes": [f"{tmp_path}/.//:/v/:rw"], "command": ["sleep", "1000"],
         "stop_signal": "SIGTERM", "cpus": 0, "env": {}, "hostname": None, "image": "base:latest"},
    )  # fmt: skip
    assert converge(house, name=name, **{**BASE, **spelled[0]})
    again = house.ask("container", name=name, **{**BASE, **spelled[1], "image": "base"})
    assert not again.changed


def test_recreate_makes_anew_every_time(house: House) -> None:
    made = house.up()
    for _unused in range(2):
        assert converge(house, name=made["name"], **BASE, recreate=True)
        now = house.info(made["name"])
        assert now["id"] != made["id"]
        made = now


def test_a_tag_that_moved_recreates(house: House) -> None:
    house.ask("container_image", name="moving", bootstrap="busybox")
    name = house.name()
    try:
        params = {**BASE, "image": "moving"}
        converge(house, name=name, **params)
        first = house.info(name)
        house.ask("container_image", name="moving", bootstrap="busybox", env={"NEW": "1"})
        assert status(house, name) == "running"
        assert converge(house, name=name, **params)
        now = house.info(name)
        assert now["image_digest"] != first["image_digest"]
        assert house.exec(name, "echo $NEW").out == "1\n"
    finally:
        house.clean()
        house.ask("container_image", name="moving", state="absent")


def test_a_failed_replacement_puts_the_old_one_back(house: House) -> None:
    made = house.up(["sh", "-c", "echo kept >>/kept; exec sleep 1000"])
    name = made["name"]
    for bad, error in (
        ({"command": ["no-such-command"]}, CommandNotFound),
        ({"user": "nobody-here"}, InvalidSpec),
        ({"network_mode": "container:nobody-here"}, NotFound),
        ({"volumes": ["/no/such/source:/x"]}, NotFound),
    ):
        with pytest.raises(error):
            house.ask("container", name=name, **{**BASE, **bad})
        now = house.info(name)
        assert (now["id"], now["state"]["status"]) == (made["id"], "running")
        assert now["spec"]["command"] == ["sh", "-c", "echo kept >>/kept; exec sleep 1000"]
        assert "kept" in house.exec(name, "cat /kept").out
        assert len(os.listdir(house.paths.containers)) == 1
        assert os.listdir(house.paths.staging) == os.listdir(house.paths.replacing) == []
    # One that stood still stands still again.
    house.ask("container", name=name, state="paused")
    with pytest.raises(CommandNotFound):
        house.ask("container", name=name, **BASE | {"command": ["no-such-command"]})
    assert status(house, name) == "paused"


def test_the_name_alone_is_enough_for_what_is_there(house: House) -> None:
    made = house.up(env={"A": "1"}, labels={"l": "1"})
    assert converge(house, name=made["name"], state="stopped")
    assert converge(house, name=made["name"], state="started")
    assert house.info(made["name"])["spec"] == made["spec"]
    with pytest.raises(InvalidSpec, match="image"):
        house.ask("container", name="not-there")


def test_what_can_not_be(house: House) -> None:
    for bad, error, match in (
        ({"image": "no-such-image"}, NotFound, "no-such-image"),
        ({"image": "UPPER//bad name"}, InvalidSpec, "bad name"),
        ({"state": "sideways"}, InvalidSpec, "sideways"),
        ({"env": {"A=B": "1"}}, InvalidSpec, "equals"),
        ({"env": ["A"]}, InvalidSpec, "env"),
        ({"command": ["a\0b"]}, InvalidSpec, "NUL"),
        ({"command": "'open"}, InvalidSpec, "command"),
        ({"hostname": "x" * 65}, InvalidSpec, "hostname"),
        ({"hostname": ""}, InvalidSpec, "hostname"),
        ({"stop_timeout": "soon"}, InvalidSpec, "stop_timeout"),
        ({"dns_servers": ["not-an-address"]}, InvalidSpec, "dns"),
        ({"etc_hosts": {"a": "not-an-address"}}, InvalidSpec, "etc_hosts"),
        ({"published_ports": ["99999:80"], "network_mode": "bridge"}, InvalidSpec, "99999"),
        ({"network_mode": "sideways"}, InvalidSpec, "sideways"),
    ):
        for check in (True, False):
            with pytest.raises(error, match=match) as caught:
                house.ask("container", check=check, **{"name": "bad", **BASE, **bad})
            assert "\n" not in str(caught.value)
            assert not str(caught.value).endswith(".")
    assert house.left() == []


@pytest.mark.parametrize("name", ["a/b", "..", ".", "a\0b", "a" * 300, "", None, "-x", "a b", "a\nb", "ä", "../../etc"])
def test_names_that_are_none(house: House, name: str | None) -> None:
    for state in ("started", "absent"):
        for check in (True, False):
            with pytest.raises(InvalidSpec):
                house.ask("container", name=name, **BASE, state=state, check=check)
    house.made.clear()
    assert house.left() == []


def test_the_longest_name_works(house: House) -> None:
    name = "n" * 128
    assert converge(house, name=name, **{**BASE, "network_mode": "bridge"})
    assert house.exec(name, "cat /etc/hosts").code == 0


def test_ten_at_once_make_one(house: House) -> None:
    name = house.name()
    house.made.append(name)
    go, end = os.pipe()
    pids = []
    results = [os.pipe() for _unused in range(10)]
    for _unused, sink in results:
        pid = os.fork()
        if pid == 0:
            os.close(end)
            os.read(go, 1)
            said = "bug"
            try:
                request = {"verb": "container", "root": house.paths.root, "params": {"name": name, **BASE}}
                said = f"changed={api.answer(request).changed}"
            except EngineError as error:
                said = f"{type(error).__name__}: {error}"
            finally:
                os.write(sink, said.encode())
                os._exit(0)
        pids.append(pid)
    os.close(go)
    os.close(end)
    for pid in pids:
        os.waitpid(pid, 0)
    said = []
    for source, sink in results:
        os.close(sink)
        said.append(os.read(source, 4096).decode())
        os.close(source)
    assert said.count("changed=True") == 1, said
    assert said.count("changed=False") == 9, said
    assert len(os.listdir(house.paths.containers)) == 1
    assert status(house, name) == "running"


def test_two_roots_do_not_meet(house: House, tmp_path: pathlib.Path) -> None:
    from ansible_collections.berth.containers.tests.kernel.house import a_house

    made = house.up(network_mode="bridge")
    with a_house(str(tmp_path / "other")) as other:
        beside = other.up(name=made["name"], network_mode="bridge")
        assert beside["id"] != made["id"]
        assert other.info(made["name"])["id"] == beside["id"]
        assert beside["network"]["bridge"] != made["network"]["bridge"]
        other.clean()
    assert status(house, made["name"]) == "running"


def test_who_is_not_root_is_told_so(house: House) -> None:
    def work() -> str:
        os.setgid(65534)
        os.setuid(65534)
        api.answer({"verb": "container", "root": house.paths.root, "params": {"name": "x", **BASE}})
        return "made"

    with pytest.raises(NotPermitted, match="become"):
        in_child(work)


def test_a_kernel_without_a_controller(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    here = hierarchy.mounted()
    for controller, option, value in (("memory", "memory", "64M"), ("cpu", "cpus", 0.5), ("pids", "pids_limit", 10)):
        without = here.replace(
            v1={name: point for name, point in here.v1.items() if name != controller},
            v2_controllers=tuple(name for name in here.v2_controllers if name != controller),
        )
        with monkeypatch.context() as patch:
            patch.setattr(hierarchy, "mounted", lambda without=without: without)
            for check in (True, False):
                with pytest.raises(Unsupported, match=f"{option}: .*{controller}"):
                    house.ask("container", name="x", **{**BASE, option: value}, check=check)
            # What was not asked for is done without.
            assert house.ask("container", name=house.name(), **BASE).changed
            house.clean()


def test_image_in_use_by_digest(house: House) -> None:
    made = house.up()
    assert not house.ask("container", name=made["name"], **BASE).changed
    assert house.ask("container", name=made["name"], **{**BASE, "image": made["image_digest"]}, check=True).changed


def test_fast_enough_to_be_used(house: House) -> None:
    """Nothing to do is cheap: no scan, no network, no process."""
    made = house.up()
    begun = time.monotonic()
    for _unused in range(20):
        house.ask("container", name=made["name"], **BASE)
    assert time.monotonic() - begun < 4


def test_leftovers_of_the_engine_are_counted_right(house: House) -> None:
    """The census of these tests sees what a container holds: without this, an empty census would prove nothing."""
    made = house.up(network_mode="bridge", published_ports=["127.0.0.1:0:80"])
    left = "\n".join(house.left())
    for part in (made["id"], "/leases/", "attached", "cgroup", "ports_at", f"/names/{made['name']}"):
        assert part in left, part
    shown = subprocess.run(
        ["ip", "-o", "link", "show", "master", made["network"]["bridge"]], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split(": ")[1].partition("@")[0] in left


def test_paths_are_private(house: House) -> None:
    paths: Paths = house.paths
    for path in (paths.root, paths.run, paths.containers, paths.layers, paths.staging):
        assert os.stat(path).st_mode & 0o777 == 0o700
