# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs of Ansible against this machine, each group of tests with a state root of its own that is cleared at the end."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = pathlib.Path(__file__).parents[2]
HERE = pathlib.Path(__file__).parent
PARTS = ("galaxy.yml", "meta", "playbooks", "plugins", "roles")
TIMEOUT = 300


class Run:
    """What one run of ansible-playbook did."""

    def __init__(self, process: subprocess.CompletedProcess[str], record: pathlib.Path) -> None:
        self.status = process.returncode
        self.output = process.stdout + process.stderr
        lines = record.read_text().splitlines() if record.exists() else []
        self.lines: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def __getitem__(self, task: str) -> dict[str, Any]:
        """The result of the one task of that name."""
        found = [line["result"] for line in self.lines if line["task"] == task]
        assert len(found) == 1, f"{task}: {len(found)} results\n{self.output}"
        result: dict[str, Any] = found[0]
        return result

    @property
    def failures(self) -> list[str]:
        return [f"{line['task']}: {line['result'].get('msg')}" for line in self.lines if line["kind"] == "failed"]

    @property
    def changed(self) -> list[str]:
        """The names of the tasks that changed something."""
        return [line["task"] for line in self.lines if line["result"].get("changed")]

    def ok(self) -> Run:
        """This run, which must have gone well."""
        assert self.status == 0, "\n".join([*self.failures, self.output])
        return self


class Ansible:
    """Runs playbooks with a copy of the collection, so that edits to the tree meanwhile do no harm."""

    def __init__(self, collections: pathlib.Path, scratch: pathlib.Path) -> None:
        self.collections, self.scratch, self.count = collections, scratch, 0

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "BERTH_"))}
        return {
            **kept,
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_HOME": str(self.scratch / "home"),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "record",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_RETRY_FILES_ENABLED": "0",
            "ANSIBLE_HOST_KEY_CHECKING": "0",
            **more,
        }

    def play(
        self,
        tasks: Sequence[dict[str, Any]] = (),
        *arguments: str,
        playbook: object = None,
        inventory: str | None = None,
        hosts: str = "all",
        environment: dict[str, str] | None = None,
        **variables: Any,
    ) -> Run:
        """Run `tasks`, or a whole playbook, on this machine or the hosts of `inventory`."""
        self.count += 1
        path = self.scratch / f"play-{self.count}.yml"
        plain = [{"hosts": hosts, "gather_facts": False, "tasks": list(tasks)}]
        path.write_text(yaml.safe_dump(playbook or plain, sort_keys=False))
        return self.run_file(path, *arguments, inventory=inventory, environment=environment, **variables)

    def run_file(
        self,
        path: pathlib.Path,
        *arguments: str,
        inventory: str | None = None,
        environment: dict[str, str] | None = None,
        **variables: Any,
    ) -> Run:
        """Run the playbook at `path`."""
        self.count += 1
        record = self.scratch / f"record-{self.count}.jsonl"
        process = subprocess.run(
            [
                "ansible-playbook",
                "-i",
                inventory or self.local(),
                "-e",
                json.dumps(variables),
                *arguments,
                str(path),
            ],
            env=self.environment(BERTH_RECORD=str(record), **(environment or {})),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=TIMEOUT,
        )
        return Run(process, record)

    def local(self, **variables: Any) -> str:
        """An inventory of this machine over the local connection; its path."""
        return self.inventory({"here": {"ansible_connection": "local", **variables}})

    def inventory(self, hosts: dict[str, dict[str, Any]]) -> str:
        """The path of an inventory; each host runs the Python of the tests unless it says otherwise."""
        self.count += 1
        path = self.scratch / f"inventory-{self.count}.yml"
        full = {name: {"ansible_python_interpreter": sys.executable, **given} for name, given in hosts.items()}
        path.write_text(yaml.safe_dump({"all": {"hosts": full}}))
        return str(path)


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A copy of the collection where Ansible looks for it."""
    path = tmp_path_factory.mktemp("collections")
    target = path / "ansible_collections" / "berth" / "containers"
    target.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy2(source, target / part)
    return path


@pytest.fixture(scope="session")
def ansible(collections: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    """Runs Ansible."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    return Ansible(collections, tmp_path_factory.mktemp("ansible"))


class World:
    """A state root of its own and what is needed to converge things in it, step by step."""

    def __init__(self, ansible: Ansible, root: pathlib.Path) -> None:
        self.ansible, self.root, self.paths = ansible, root, Paths(str(root))

    def run(self, module: str, options: dict[str, Any], *arguments: str) -> dict[str, Any]:
        """The result of one task, which must not fail."""
        return self.attempt(module, options, *arguments).ok()["step"]

    def attempt(self, module: str, options: dict[str, Any], *arguments: str) -> Run:
        """One task in a run of its own, with diffs."""
        task = {"name": "step", f"berth.containers.{module}": {"root": str(self.root), **options}}
        return self.ansible.play([task], "--diff", *arguments)

    def play(self, tasks: Sequence[dict[str, Any]], *arguments: str, **more: Any) -> Run:
        """Several tasks whose modules all work below this root."""
        defaults = {"group/berth.containers.containers": {"root": str(self.root)}}
        play = {"hosts": "all", "gather_facts": False, "module_defaults": defaults, "tasks": list(tasks)}
        return self.ansible.play([], *arguments, playbook=[play], **more)

    def census(self) -> dict[str, object]:
        """Every file of the state with its kind, mode, owner, times and content; caches of what the controller sent left out."""
        found: dict[str, object] = {}
        for top in (self.paths.root, self.paths.run):
            for folder, names, files in os.walk(top):
                if folder == top:
                    names[:] = [name for name in names if name not in ("engine", "uploads", "locks")]
                for name in [*names, *files]:
                    path = os.path.join(folder, name)
                    status = os.lstat(path)
                    content = (
                        pathlib.Path(path).read_bytes() if os.path.isfile(path) and not os.path.islink(path) else b""
                    )
                    found[path] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, hash(content))
        return found

    def clear(self) -> None:
        """Remove the root with everything in it."""
        self.run("engine", {"state": "absent", "force": True})


@pytest.fixture(autouse=True)
def _run_directories(tmp_path: pathlib.Path) -> Iterator[None]:
    """Remove the run-time directories of roots that a test had below its own directory."""
    yield
    for home in tmp_path.glob("**/engine/.lock"):
        shutil.rmtree(Paths(str(home.parents[1])).run, ignore_errors=True)


@pytest.fixture(scope="module")
def world(ansible: Ansible, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A fresh state root for a file of tests."""
    made = World(ansible, tmp_path_factory.mktemp("world") / "state")
    # The engine and the empty directories are no part of what a task changes.
    made.run("container_image_info", {})
    try:
        yield made
    finally:
        made.clear()
