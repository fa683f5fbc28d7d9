# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles and the demo, as a newcomer uses them."""

from __future__ import annotations

import os
import pathlib
import subprocess
from typing import Any

import pytest
import yaml

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import hierarchy
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths

from .conftest import Ansible, World

DOCUMENT: dict[str, Any] = {
    "images": [{"name": "base", "bootstrap": "busybox"}],
    "containers": [
        {"name": f"node-{number}", "image": "base", "command": "sleep 3600", "stop_timeout": "1s", "memory": "32M"}
        for number in range(4)
    ],
}
NONE: dict[str, Any] = {
    "images": [{"name": "base", "state": "absent"}],
    "containers": [{"name": f"node-{number}", "state": "absent"} for number in range(4)],
}


def with_role(ansible: Ansible, role: str, *arguments: str, **variables: Any) -> Any:
    play = {"hosts": "all", "gather_facts": False, "roles": [{"role": f"berth.containers.{role}", "vars": variables}]}
    return ansible.play([], "--diff", *arguments, playbook=[play])


def test_host_puts_the_commands_into_the_path_and_takes_them_out(world: World, tmp_path: pathlib.Path) -> None:
    command, runtime = tmp_path / "berth", tmp_path / "berth-oci"
    options = {"host_root": str(world.root), "host_command": str(command)}
    assert len(with_role(world.ansible, "host", **options).ok().changed) == 1
    assert with_role(world.ansible, "host", **options).ok().changed == []
    said = subprocess.run([command, "version"], capture_output=True, text=True, check=True)
    assert "0.1.0" in said.stdout
    said = subprocess.run([runtime, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("berth-oci version 0.1.0\nspec: ")
    gone = {**options, "host_state": "absent"}
    assert len(with_role(world.ansible, "host", "--check", **gone).ok().changed) == 1
    assert command.is_symlink()
    assert len(with_role(world.ansible, "host", **gone).ok().changed) == 1
    assert os.listdir(tmp_path) == []
    assert with_role(world.ansible, "host", **gone).ok().changed == []


def test_host_takes_away_what_is_its_own_only(world: World, tmp_path: pathlib.Path) -> None:
    command, runtime = tmp_path / "berth", tmp_path / "berth-oci"
    command.write_text("somebody else's")
    runtime.symlink_to("/bin/true")
    gone = {"host_state": "absent", "host_command": str(command)}
    assert with_role(world.ansible, "host", **gone).ok().changed == []
    assert command.is_file()
    assert runtime.is_symlink()


def test_host_says_what_is_missing(world: World, tmp_path: pathlib.Path) -> None:
    """In a user namespace of its own the run sees a kernel that lets nobody make user namespaces, and no nft."""
    play = {
        "hosts": "all",
        "gather_facts": False,
        "roles": [
            {"role": "berth.containers.host", "vars": {"host_root": str(tmp_path / "state"), "host_command": ""}}
        ],
    }
    path = tmp_path / "play.yml"
    path.write_text(yaml.safe_dump([play]))
    poor = tmp_path / "poor-python"
    poor.write_text(
        "#!/bin/sh\n"
        "exec unshare --user --map-root-user --mount sh -c '\n"
        "echo 0 > /proc/sys/user/max_user_namespaces\n"
        "mount -t tmpfs none /usr/sbin\n"
        'exec /usr/bin/python3 "$@"\' sh "$@"\n'
    )
    poor.chmod(0o755)
    run = world.ansible.run_file(path, inventory=world.ansible.local(ansible_python_interpreter=str(poor)))
    (failure,) = run.failures
    sentences = failure.partition(": ")[2].splitlines()
    assert any(line.startswith("user namespaces are switched off") for line in sentences), sentences
    assert any("install the package nftables" in line for line in sentences), sentences


def test_environment_converges_and_is_idempotent(world: World) -> None:
    options = {"environment_root": str(world.root), "environment_document": DOCUMENT}
    before = world.census()
    assert len(with_role(world.ansible, "environment", "--check", **options).ok().changed) == 1
    assert world.census() == before
    assert len(with_role(world.ansible, "environment", **options).ok().changed) == 1
    running = world.run("container_info", {})["containers"]
    assert sorted(entry["name"] for entry in running) == [f"node-{number}" for number in range(4)]
    assert with_role(world.ansible, "environment", **options).ok().changed == []
    options["environment_document"] = NONE
    assert len(with_role(world.ansible, "environment", **options).ok().changed) == 1
    assert with_role(world.ansible, "environment", **options).ok().changed == []
    assert world.run("container_info", {})["containers"] == []


def test_one_faulty_document_keeps_every_host_untouched(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    hosts = {
        name: {
            "ansible_connection": "local",
            "environment_root": str(tmp_path / name),
            "environment_document": document,
        }
        for name, document in {
            "good": DOCUMENT,
            "bad": {"containers": [{"name": "a", "memory": "lots"}, {"size": 1}]},
        }.items()
    }
    play = {"hosts": "all", "gather_facts": False, "roles": ["berth.containers.environment"]}
    run = ansible.play([], playbook=[play], inventory=ansible.inventory(hosts))
    (failure,) = run.failures
    assert "containers[0].memory: 'lots' is not a size" in failure
    assert "containers[1]: name is missing" in failure
    assert "containers[1]: unknown option 'size'" in failure
    assert not (tmp_path / "good").exists()
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("document", [{"volumes": []}, {"images": [{"name": "a"}], "networks": {}}])
def test_the_document_has_no_other_parts(ansible: Ansible, document: dict[str, Any], tmp_path: pathlib.Path) -> None:
    run = with_role(ansible, "environment", environment_document=document, environment_root=str(tmp_path / "state"))
    assert len(run.failures) == 1
    assert "Supported parameters include: containers, images" in run.failures[0]
    assert not (tmp_path / "state").exists()


def belongings(paths: Paths) -> list[str]:
    """What a root has on this host outside of its containers."""
    places = [paths.root, paths.run, f"/sys/class/net/{paths.kernel_name('berth0', 15)}"]
    places += [f"{point}/{paths.kernel_name('berth')}" for point in hierarchy.mounted().mount_points()]
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout.split()
    return [place for place in places if os.path.exists(place)] + [
        word for word in tables if word == paths.kernel_name("berth")
    ]


def test_the_demo_runs_and_leaves_nothing(ansible: Ansible, collections: pathlib.Path, tmp_path: pathlib.Path) -> None:
    paths = Paths(str(tmp_path / "demo"))
    (playbook,) = collections.glob("ansible_collections/berth/containers/playbooks/quickstart.yml")
    keep = {"quickstart_root": paths.root, "quickstart_port": 18097, "inventory": ansible.inventory({"localhost": {}})}
    run = ansible.run_file(playbook, **keep).ok()
    assert run["What it says"]["msg"] == "Hello from a container that began as busybox."
    assert run["Nothing changed"]["msg"] == "changed=0"
    assert belongings(paths) == []


def test_removal_of_a_root(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    other = World(ansible, tmp_path / "state")
    assert other.run("engine", {"state": "absent"})["changed"] is False
    other.run("container_image", {"name": "base", "bootstrap": "busybox"})
    other.run("container", {"name": "web", "image": "base", "command": ["sleep", "3600"], "stop_timeout": "1s"})
    (other.root / "mine").write_text("not the engine's")
    (refusal,) = other.attempt("engine", {"state": "absent"}).failures
    assert "containers web run below" in refusal
    before = other.census()
    assert other.run("engine", {"state": "absent", "force": True}, "--check")["changed"] is True
    assert other.census() == before
    result = other.run("engine", {"state": "absent", "force": True})
    assert result["changed"] is True
    assert result["diff"]["before"] == {"containers": ["web"], "images": ["base:latest"], "root": str(other.root)}
    assert os.listdir(other.root) == ["mine"]
    assert belongings(other.paths) == [str(other.root)]
    assert other.run("engine", {"state": "absent"})["changed"] is False
