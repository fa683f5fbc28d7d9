# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine arrives by itself, whatever the connection, and a broken delivery is never used."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import Ansible, Run

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINE = "berth.containers.engine"
DIGEST = re.compile("[0-9a-f]{64}")


def ask(root: pathlib.Path, **keywords: Any) -> dict[str, Any]:
    return {"name": "ask", ENGINE: {"root": str(root)}, **keywords}


def installed(root: pathlib.Path) -> list[str]:
    home = root / "engine"
    return sorted(name for name in os.listdir(home) if name != ".lock") if home.exists() else []


def answers(root: pathlib.Path) -> bool:
    """Whether the one engine below `root` is whole enough to answer."""
    (digest,) = installed(root)
    assert DIGEST.fullmatch(digest)
    said = subprocess.run(
        [root / "engine" / digest / "berth", "api"],
        input=json.dumps({"verb": "version", "root": str(root)}),
        capture_output=True,
        check=False,
        text=True,
    )
    return said.returncode == 0 and json.loads(said.stdout)["ok"] is True


def executions(run: Run) -> list[str]:
    """The modules that were executed on the host, in order, as -vvv tells them."""
    return re.findall(r"Using module file \S+/(\w+)\.py", run.output)


@pytest.mark.parametrize("pipelining", [False, True], ids=["files", "pipelining"])
def test_a_fresh_host_gets_the_engine_and_a_known_one_costs_a_single_execution(
    ansible: Ansible, tmp_path: pathlib.Path, pipelining: bool
) -> None:
    environment = {"ANSIBLE_PIPELINING": str(pipelining)}
    first = ansible.play([ask(tmp_path)], "-vvv", environment=environment).ok()
    assert executions(first) == ["engine", "engine", "engine"]
    assert first["ask"]["digest"] in installed(tmp_path)
    assert answers(tmp_path)
    again = ansible.play([ask(tmp_path)], "-vvv", environment=environment).ok()
    assert executions(again) == ["engine"]
    assert first.changed == again.changed == []


def test_check_mode_delivers_too(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    assert ansible.play([ask(tmp_path)], "--check").ok().changed == []
    assert answers(tmp_path)


def test_an_async_task_finds_the_engine_in_place(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    task = {"name": "ask", "berth.containers.container_image_info": {"root": str(tmp_path)}, "async": 60, "poll": 1}
    assert ansible.play([task]).ok()["ask"]["images"] == []
    assert answers(tmp_path)


def test_an_async_task_finds_what_the_controller_sent(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    """Also where the engine came with it."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/hello").write_text("hi\n")
    image = {"name": "site", "rootfs": str(tmp_path / "site"), "remote_src": False, "root": str(tmp_path / "state")}
    task = {"name": "make", "berth.containers.container_image": image, "async": 60, "poll": 1}
    for changed in (True, False):
        assert ansible.play([task]).ok()["make"]["changed"] is changed


def test_ad_hoc(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    said = subprocess.run(
        ["ansible", "-i", ansible.local(), "all", "-m", ENGINE, "-a", f"root={tmp_path}"],
        env=ansible.environment(BERTH_RECORD=os.devnull),
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert answers(tmp_path)


def test_the_root_follows_the_environment_of_the_task(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    task = {"name": "ask", ENGINE: None, "environment": {"BERTH_ROOT": str(tmp_path)}}
    assert ansible.play([task]).ok()["ask"]["program"].startswith(f"{tmp_path}/engine/")


def test_a_host_needs_nothing_but_python(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    (packages,) = bare.glob("lib/python3*/site-packages")
    assert list(packages.iterdir()) == []
    inventory = ansible.local(ansible_python_interpreter=str(bare / "bin/python"))
    result = ansible.play([ask(tmp_path / "state")], inventory=inventory).ok()["ask"]
    assert pathlib.Path(result["program"]).read_text().startswith(f"#!{bare}/bin/python -ISXutf8\n")
    assert answers(tmp_path / "state")


@pytest.fixture
def open_directory() -> Iterator[pathlib.Path]:
    """A directory that other users get into; pytest's own are closed to them."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="berth-open-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_without_root_the_sentence_says_what_to_do(
    ansible: Ansible, open_directory: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    inventory = ansible.local(
        ansible_become=True,
        ansible_become_method="su",
        ansible_become_user="nobody",
        ansible_become_flags="-s /bin/sh",
        ansible_python_interpreter="/usr/bin/python3",
        ansible_remote_tmp=str(open_directory / "remote"),
        ansible_shell_allow_world_readable_temp=True,
        ansible_common_remote_group="nogroup",
    )
    for name in (ENGINE, "berth.containers.container_info"):
        run = ansible.play([{"name": "ask", name: {"root": str(tmp_path / "state")}}], inventory=inventory)
        assert run.failures == [f"ask: {name} needs root on this host: use become: true"]
    assert installed(tmp_path / "state") == []


def test_racing_deliveries_end_with_one_good_copy(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    hosts = {f"host{number}": {"ansible_connection": "local"} for number in range(6)}
    run = ansible.play([ask(tmp_path)], "-f", "6", "-vvv", inventory=ansible.inventory(hosts)).ok()
    assert len(run.lines) == 6
    assert executions(run).count("engine") > len(hosts) + 2, "no two of them met"
    assert answers(tmp_path)


def test_two_playbooks_at_once_end_with_one_good_copy(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    runs: list[Run] = []
    inventory = ansible.local()
    paths = []
    for number in range(2):
        path = tmp_path / f"play{number}.yml"
        path.write_text(f"- hosts: all\n  gather_facts: false\n  tasks:\n    - {ENGINE}: {{root: {tmp_path}/state}}\n")
        paths.append(path)
    threads = [
        threading.Thread(target=lambda path=path: runs.append(ansible.run_file(path, inventory=inventory)))
        for path in paths
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.ok().status for run in runs] == [0, 0]
    assert answers(tmp_path / "state")


@pytest.fixture
def cutting(collections: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the collection whose controller sends less than it packed."""
    copy = tmp_path / "cutting"
    shutil.copytree(collections, copy)
    (bundle,) = copy.glob("ansible_collections/berth/containers/plugins/plugin_utils/bundle.py")
    text = bundle.read_text()
    assert "pack(files))" in text
    bundle.write_text(text.replace("pack(files))", "pack(files)[:-5000])"))
    return copy


def test_a_truncated_delivery_is_never_used(ansible: Ansible, cutting: pathlib.Path, tmp_path: pathlib.Path) -> None:
    root = tmp_path / "state"
    run = ansible.play([ask(root)], environment={"ANSIBLE_COLLECTIONS_PATH": str(cutting)})
    assert len(run.failures) == 1
    assert "run the task again" in run.failures[0]
    assert installed(root) == []
    ansible.play([ask(root)]).ok()
    assert answers(root)


def test_what_a_killed_delivery_left_is_swept(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    digest = ansible.play([ask(tmp_path / "other")]).ok()["ask"]["digest"]
    half = tmp_path / "state" / "engine"
    (half / digest / "berth_engine").mkdir(parents=True)
    (half / ".new-4242" / "berth_engine").mkdir(parents=True)
    ansible.play([ask(tmp_path / "state")]).ok()
    assert answers(tmp_path / "state")


def test_an_engine_that_is_not_ours_is_not_delivered(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    run = ansible.play([{"name": "ask", ENGINE: {"root": str(tmp_path), "engine": "0" * 64}}])
    assert run.failures == [f"ask: there is no engine {'0' * 12} below {tmp_path}/engine"]


def test_an_answer_that_is_none_is_told_with_the_last_line(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    program = pathlib.Path(ansible.play([ask(tmp_path)]).ok()["ask"]["program"])
    program.write_text("raise RuntimeError('broken by the test')\n")
    run = ansible.play([{"name": "ask", "berth.containers.container_info": {"root": str(tmp_path)}}])
    assert run.failures == ["ask: the engine ended with status 1 and no answer: RuntimeError: broken by the test"]
