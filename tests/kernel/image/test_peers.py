# SPDX-License-Identifier: GPL-3.0-or-later
"""Others read what we write and we read what they write: skopeo, Podman and Docker, each with its state in a place of its own."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.tests.kernel.house import wait_until
from ansible_collections.berth.containers.tests.kernel.image.stores import ask
from ansible_collections.berth.containers.tests.kernel.storage.trees import facts, state

Run = Callable[..., str]


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Iterator[Paths]:
    with state(str(tmp_path / "state")) as made:
        ask(made, "container_image", name="base:1", bootstrap="busybox", labels={"k": "v"})
        yield made


def run(*words: str) -> str:
    """What a program says, or its complaint as the failure."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


@pytest.fixture
def podman() -> Iterator[Run]:
    # Podman takes no path of more than 50 characters.
    with tempfile.TemporaryDirectory(prefix="podman-") as home:
        options = (f"--root={home}/root", f"--runroot={home}/run", f"--tmpdir={home}/tmp", "--storage-driver=vfs")
        yield lambda *words: run("podman", *options, *words)


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A daemon in a network namespace of its own: it can't touch a bridge or a rule of this host."""
    home = tmp_path_factory.mktemp("docker")
    door = f"unix://{home}/door"
    words = ["unshare", "-n", "dockerd", "--data-root", f"{home}/data", "--exec-root", f"{home}/run", "--pidfile", f"{home}/pid",
             "-H", door, "--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver=vfs"]  # fmt: skip
    with (home / "log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as daemon:
        try:
            wait_until(lambda: os.path.exists(f"{home}/door") or daemon.poll() is not None, 30)
            assert daemon.poll() is None, (home / "log").read_text()[-2000:]
            yield lambda *words: run("docker", "-H", door, *words)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(timeout=30)
    shutil.rmtree(home)


@pytest.mark.parametrize("form", ["oci-archive", "oci-dir", "docker-archive"])
def test_skopeo_copies_both_ways(paths: Paths, tmp_path: pathlib.Path, form: str) -> None:
    out = str(tmp_path / "out")
    ask(paths, "container_image_export", name="base:1", path=out, format=form)
    transport = {"oci-dir": "oci"}.get(form, form)
    # To a form that keeps the config as it is, by way of one that compresses.
    run("skopeo", "--insecure-policy", "copy", f"{transport}:{out}", f"oci:{tmp_path}/there:x")
    back = {"oci-archive": "docker-archive", "docker-archive": "oci-archive", "oci-dir": "docker-archive"}[form]
    run("skopeo", "--insecure-policy", "copy", f"oci:{tmp_path}/there:x", f"{back}:{tmp_path}/back:y:1")
    for name, archive in (("there", "there"), ("back", "back")):
        ask(paths, "container_image", name=name, archive=str(tmp_path / archive))
        assert facts(resolve(paths, name).layers[0]) == facts(resolve(paths, "base:1").layers[0])
        assert resolve(paths, name).config["Labels"] == {"k": "v"}


def test_skopeo_reads_the_store_itself(paths: Paths) -> None:
    shown = json.loads(run("skopeo", "--insecure-policy", "inspect", f"oci:{paths.root}:base:1"))
    assert shown["Digest"] == resolve(paths, "base:1").digest


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_podman_loads_ours_and_we_load_its(paths: Paths, tmp_path: pathlib.Path, podman: Run, form: str) -> None:
    ask(paths, "container_image_export", name="base:1", path=str(tmp_path / "out"), format=form)
    said = podman("load", "-i", str(tmp_path / "out"))
    name = said.strip().rpartition("Loaded image: ")[2]
    assert name.endswith("base:1")
    assert podman("image", "inspect", "--format", "{{.Id}}", name).strip() == resolve(paths, "base:1").id[7:]
    podman("save", "--format", form, "-o", str(tmp_path / "saved"), name)
    ask(paths, "container_image", name="back", archive=str(tmp_path / "saved"))
    assert resolve(paths, "back").id == resolve(paths, "base:1").id
    assert facts(resolve(paths, "back").layers[0]) == facts(resolve(paths, "base:1").layers[0])


def test_docker_loads_ours_and_we_load_its(paths: Paths, tmp_path: pathlib.Path, docker: Run) -> None:
    ask(paths, "container_image_export", name="base:1", path=str(tmp_path / "out"), format="docker-archive")
    docker("load", "-q", "-i", str(tmp_path / "out"))
    assert docker("image", "inspect", "--format", "{{.Id}}", "base:1").strip() == resolve(paths, "base:1").id
    docker("save", "-o", str(tmp_path / "saved"), "base:1")
    docker("rmi", "base:1")
    ask(paths, "container_image", name="back", archive=str(tmp_path / "saved"))
    assert resolve(paths, "back").config["Labels"] == {"k": "v"}
    assert facts(resolve(paths, "back").layers[0]) == facts(resolve(paths, "base:1").layers[0])
