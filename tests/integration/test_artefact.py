# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive that Galaxy would get, installed where nothing else is, does the work."""

from __future__ import annotations

import pathlib
import subprocess

from .conftest import ROOT, Ansible, World


def galaxy(ansible: Ansible, *arguments: object) -> None:
    done = subprocess.run(
        ["ansible-galaxy", "collection", *map(str, arguments)],
        cwd=ROOT, env=ansible.environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_host_is_converged_from_the_installed_archive(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    galaxy(ansible, "build", "--output-path", tmp_path)
    (archive,) = tmp_path.glob("berth-containers-*.tar.gz")
    empty = tmp_path / "collections"
    galaxy(ansible, "install", "--offline", "--collections-path", empty, archive)
    world = World(Ansible(empty, tmp_path), tmp_path / "state")
    tasks = [
        {"name": "image", "berth.containers.container_image": {"name": "base", "bootstrap": "busybox"}},
        {"name": "run", "berth.containers.container": {"name": "a", "image": "base", "command": ["sleep", "600"]}},
        {"name": "ask", "berth.containers.container_exec": {"name": "a", "command": ["cat", "/proc/1/comm"]}},
    ]
    try:
        run = world.play(tasks).ok()
        assert run["ask"]["stdout"].strip() == "sleep"
        assert world.play(tasks[:2]).ok().changed == []
    finally:
        world.clear()
