# SPDX-License-Identifier: GPL-3.0-or-later
"""States and errors as runtime.md of the runtime specification has them, seen through the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

import pytest

from .conftest import Runtime, until


def test_a_whole_life(oci: Runtime) -> None:
    bundle = oci.bundle("sh", "-c", "echo started; exec sleep 60", annotations={"a.b": "c"})
    pid = oci.create("one", bundle, "--pid-file", str(bundle / "pid"))
    state = oci.state("one")
    assert (state["status"], state["id"], state["bundle"]) == ("created", "one", str(bundle))
    assert (state["ociVersion"], state["annotations"]) == ("1.2.0", {"a.b": "c"})
    assert (bundle / "pid").read_text() == str(pid)
    assert (bundle / "output").read_text() == ""
    assert "exists" in oci.refused("create", "-b", str(bundle), "one")
    assert "is created" in oci.refused("delete", "one")
    oci.ok("start", "one")
    until(lambda: (bundle / "output").read_text() == "started\n")
    assert oci.state("one")["status"] == "running"
    assert "is running" in oci.refused("start", "one")
    assert "is running" in oci.refused("delete", "one")
    assert oci.ok("list", "-q") == "one\n"
    assert json.loads(oci.ok("ps", "--format", "json", "one")) == [pid]
    oci.ok("kill", "one", "KILL")
    oci.stopped("one")
    assert oci.state("one")["pid"] == 0
    assert "container not running" in oci.refused("kill", "one", "TERM")
    assert "is stopped" in oci.refused("start", "one")
    assert "container not running" in oci.refused("exec", "one", "true")
    oci.ok("delete", "one")
    assert oci.traces() == []
    assert "container one does not exist" in oci.refused("state", "one")
    oci.ok("delete", "--force", "one")
    assert "does not exist" in oci.refused("delete", "one")


def test_many_are_deleted_by_a_part_of_their_names(oci: Runtime) -> None:
    for ident in ("web-1", "web-2", "db"):
        oci.create(ident, oci.bundle("sleep", "60"))
    assert "is no regular expression" in oci.refused("delete", "--force", "--regex", "web-[")
    oci.ok("delete", "--force", "--regex", "nothing")
    oci.ok("delete", "--force", "--regex", "^web-.$", "^b")
    assert oci.ok("list", "-q") == "db\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"process_cwd": "x"}, "process.cwd"),
        ({"ociVersion": "9.0.0"}, "ociVersion"),
        (
            {"linux_namespaces": [{"type": "mount"}, {"type": "pid", "path": "/proc/self/ns/net"}], "hostname": ""},
            "is no pid namespace",
        ),
        ({"linux_sysctl": {"kernel.panic": "1"}}, "kernel.panic"),
        ({"linux_intelRdt": {"closID": "x"}}, "intelRdt"),
        ({"linux_resources": {"memory": {"limit": "1"}}}, "memory.limit"),
        ({"process_args": ["/not/there"]}, "/not/there"),
        ({"process_oomScoreAdj": 5000}, "oomScoreAdj"),
        ({"mounts": [{"destination": "/x", "type": "bind", "source": "/not/there"}]}, "/not/there"),
        (
            {"hooks": {"createRuntime": [{"path": "/bin/false"}]}},
            "createRuntime hook #0: createRuntime hook failed with exit code 1",
        ),
        ({"hooks": {"createContainer": [{"path": "/bin/false"}]}}, "error running createContainer hook #0"),
        ({"hooks": {"prestart": [{"path": "/bin/sleep", "args": ["s", "60"], "timeout": 1}]}}, "timeout of 1 s"),
    ],
)
def test_what_can_not_be_made_leaves_no_trace(oci: Runtime, changes: dict[str, Any], words: str) -> None:
    bundle = oci.bundle(*changes.pop("process_args", ["true"]), **changes)
    assert words in oci.refused("create", "-b", str(bundle), "one")
    assert oci.traces() == []


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
def test_a_create_that_is_killed_leaves_something_to_delete(oci: Runtime, kind: str) -> None:
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"touch {oci.place}/here; exec sleep 20"]}
    bundle = oci.bundle("true", hooks={kind: [hook]})
    with subprocess.Popen(
        [oci.program, "--root", oci.root, "create", "-b", bundle, "one"], stderr=subprocess.DEVNULL
    ) as one:
        until((oci.place / "here").exists)
        assert oci.state("one")["status"] == "creating"
        one.kill()
    oci.ok("delete", "--force", "one")
    assert oci.traces() == []


def test_later_changes_of_the_bundle_have_no_effect(oci: Runtime) -> None:
    bundle = oci.bundle("echo", "first")
    oci.create("one", bundle)
    config = json.loads((bundle / "config.json").read_text())
    config["process"]["args"] = ["echo", "second"]
    (bundle / "config.json").write_text(json.dumps(config))
    oci.ok("start", "one")
    oci.stopped("one")
    assert (bundle / "output").read_text() == "first\n"


def test_without_a_process_there_is_nothing_to_start(oci: Runtime) -> None:
    bundle = oci.bundle("true")
    config = json.loads((bundle / "config.json").read_text())
    del config["process"]
    (bundle / "config.json").write_text(json.dumps(config))
    oci.create("one", bundle)
    assert oci.state("one")["status"] == "created"
    assert "no process" in oci.refused("start", "one")


def test_pause_and_kill_everything(oci: Runtime) -> None:
    bundle = oci.bundle("sh", "-c", "sleep 70 & exec sleep 71")
    oci.create("one", bundle)
    oci.ok("start", "one")
    until(lambda: len(json.loads(oci.ok("ps", "-f", "json", "one"))) == 2)
    oci.ok("pause", "one")
    assert oci.state("one")["status"] == "paused"
    assert "in a paused container" in oci.refused("exec", "one", "true")
    assert "is paused" in oci.refused("pause", "one")
    oci.ok("resume", "one")
    assert oci.state("one")["status"] == "running"
    oci.ok("pause", "one")
    oci.ok("kill", "--all", "one", "9")
    oci.stopped("one")


def test_run_ends_as_its_program_does(oci: Runtime) -> None:
    assert oci.once(oci.bundle("sh", "-c", "echo out; echo err >&2; exit 7")).returncode == 7
    bundle = oci.bundle("sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done")
    with subprocess.Popen([oci.program, "--root", oci.root, "run", "-b", bundle, "two"], stdout=subprocess.PIPE) as run:
        assert run.stdout
        assert run.stdout.readline() == b"ready\n"
        run.send_signal(signal.SIGTERM)
        assert run.wait(20) == 9
    assert oci.traces() == []


def test_errors_go_to_the_log(oci: Runtime) -> None:
    log = oci.place / "log"
    done = oci("--log", str(log), "--log-format", "json", "state", "none")
    assert done.returncode == 1
    line = json.loads(log.read_text())
    assert (line["level"], line["msg"]) == ("error", "container none does not exist")
    assert line["time"]


def test_version_and_features_are_what_callers_read(oci: Runtime) -> None:
    assert oci.ok("--version").startswith("berth-oci version ")
    features = json.loads(oci.ok("features"))
    assert features["ociVersionMax"] == "1.2.0"
    assert "rro" in features["mountOptions"]
    assert "MPOL_BIND" in features["linux"]["memoryPolicy"]["modes"]


def test_limits_are_changed_live(oci: Runtime) -> None:
    oci.create("one", oci.bundle("sleep", "60", linux_resources={"pids": {"limit": 50}}))
    oci.ok("update", "--resources", "-", "one", stdin=None, input='{"pids": {"limit": 60}}')
    (file,) = [path for top in oci.groups() for path in (f"{top}pids.max",) if os.path.exists(path)][:1]
    with open(file) as source:
        assert source.read() == "60\n"
