# SPDX-License-Identifier: GPL-3.0-or-later
"""One protocol, three engines: how each is started apart from the host's own, spoken to, looked into and stopped."""

from __future__ import annotations

import abc
import contextlib
import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from .command import CommandFailed, run

BASE = "bench-base"
BIG = "bench-big"
IDLE = ("/bin/sleep", "100000")


class Engine(abc.ABC):
    """An engine whose state lies under `home` alone. The words of the command line are Docker's, and all three know them.
    What the command lines made is remembered, `sweep` removes it."""

    name: ClassVar[str]
    force: ClassVar[tuple[str, ...]] = ("--force",)
    insecure: ClassVar[tuple[str, ...]] = ()
    parented: ClassVar[bool] = False

    def __init__(self, program: str, home: Path, cgroup: str) -> None:
        self.program = program
        self.home = home
        self.cgroup = cgroup
        self._containers: list[str] = []
        self._images: list[str] = []

    @abc.abstractmethod
    def start(self) -> None:
        """Bring it up and set the environment by which its programs find it."""

    def close(self) -> None:
        """Stop what `start` started."""
        self.sweep()

    @abc.abstractmethod
    def version(self) -> str: ...

    @abc.abstractmethod
    def task(self, name: str, image: str, command: Sequence[str]) -> dict[str, Any]:
        """The Ansible task that wants such a container to run, without a network."""

    def daemons(self) -> list[int]:
        """Processes that run although no container does."""
        return []

    @property
    def state(self) -> Path:
        """Where a container's disk space goes."""
        return self.home

    def run(
        self,
        image: str,
        command: Sequence[str],
        *,
        name: str = "",
        network: str = "none",
        publish: str = "",
    ) -> list[str]:
        """`run`: detached when it has a name, else in the foreground and removed."""
        words = [self.program, "run"]
        words += ["--detach", "--name", name] if name else ["--rm"]
        words += ["--network", network]
        words += ["--publish", publish] if publish else []
        words += ["--cgroup-parent", self.cgroup] if self.parented else []
        if name:
            self._containers.append(name)
        return [*words, image, *command]

    def adopt(self, names: Sequence[str]) -> None:
        """Have `sweep` remove containers that something else makes."""
        self._containers += names

    def exec(self, name: str, *command: str) -> list[str]:
        return [self.program, "exec", name, *command]

    def exec_with_input(self, name: str, *command: str) -> list[str]:
        return [self.program, "exec", "-i", name, *command]

    def stop(self, name: str) -> list[str]:
        return [self.program, "stop", name]

    def remove(self, name: str) -> list[str]:
        self._containers.remove(name)
        return [self.program, "rm", name]

    def commit(self, container: str, image: str) -> list[str]:
        self._images.append(image)
        return [self.program, "commit", container, image]

    def load(self, tar: Path, image: str) -> None:
        run([self.program, "import", str(tar), image], limit=300)

    def pull(self, reference: str) -> list[str]:
        self._images.append(reference)
        return [self.program, "pull", "--quiet", *self.insecure, reference]

    def push(self, reference: str) -> list[str]:
        return [self.program, "push", *self.insecure, reference]

    def save(self, image: str, target: Path) -> list[str]:
        return [self.program, "save", "--output", str(target), image]

    def load_archive(self, archive: Path, image: str) -> list[str]:
        """Load what `docker save` made; it is called `image` afterwards."""
        self._images.append(image)
        return [self.program, "load", "--quiet", "--input", str(archive)]

    def import_tar(self, tar: Path, image: str) -> list[str]:
        self._images.append(image)
        return [self.program, "import", str(tar), image]

    def remove_image(self, image: str) -> list[str]:
        self._images.remove(image)
        return [self.program, "rmi", image]

    def dedupe(self) -> bool:
        """Share what became equal; False where an engine can't."""
        return False

    def address(self, name: str) -> str:
        """The container's address, as it sees it itself."""
        for line in run(self.exec(name, "/bin/ip", "-4", "-o", "addr", "show", "scope", "global")).splitlines():
            words = line.split()
            return words[words.index("inet") + 1].split("/")[0]
        raise CommandFailed(f"{self.name}: container {name} has no address")

    def sweep(self) -> None:
        """Remove the containers and images that the command lines made. Bounded; what resists goes with the host."""
        if self._containers:
            with contextlib.suppress(CommandFailed):
                run([self.program, "rm", *self.force, *self._containers], limit=120)
        if self._images:
            with contextlib.suppress(CommandFailed):
                run([self.program, "rmi", *dict.fromkeys(self._images)], limit=120)
        self._containers.clear()
        self._images.clear()


class Docker(Engine):
    """Debian's docker.io: a daemon of our own, with its containerd."""

    name = "docker"

    def __init__(self, program: str, home: Path, cgroup: str) -> None:
        super().__init__(program, home, cgroup)
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def state(self) -> Path:
        return self.home / "data"

    def start(self) -> None:
        self.home.mkdir()
        (self.home / "daemon.json").write_text("{}")
        os.environ["DOCKER_HOST"] = f"unix://{self.home}/docker.sock"
        with (self.home / "log").open("wb") as log:
            self._daemon = subprocess.Popen(
                [
                    "dockerd",
                    *("--config-file", f"{self.home}/daemon.json"),
                    *("--data-root", str(self.state)),
                    *("--exec-root", f"{self.home}/exec"),
                    *("--pidfile", f"{self.home}/pid"),
                    *("--cgroup-parent", self.cgroup),
                    *("-H", os.environ["DOCKER_HOST"]),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._await_daemon()

    def _await_daemon(self) -> None:
        for _attempt in range(150):
            try:
                run([self.program, "info"])
                return
            except CommandFailed:
                time.sleep(0.2)
        raise CommandFailed(f"dockerd did not come up: {(self.home / 'log').read_text()[-2000:]}")

    def close(self) -> None:
        if self._daemon is None:
            return
        super().close()
        self._daemon.send_signal(signal.SIGTERM)
        try:
            self._daemon.wait(15)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()

    def version(self) -> str:
        return run([self.program, "version", "--format", "{{.Server.Version}}"])

    def daemons(self) -> list[int]:
        if self._daemon is None:
            return []
        pid = self._daemon.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        threads = [
            Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
            for thread in os.listdir(f"/proc/{pid}/task")
        ]
        found = {int(child) for some in [children, *threads] for child in some}
        return [pid, *sorted(child for child in found if _program(child) == "containerd")]

    def task(self, name: str, image: str, command: Sequence[str]) -> dict[str, Any]:
        options = {"name": name, "image": image, "command": list(command), "state": "started", "network_mode": "none"}
        return {"community.docker.docker_container": options}


class Podman(Engine):
    """Debian's podman with runc, its files and its settings in a place of our own."""

    name = "podman"
    force = ("--force", "--time", "0")
    insecure = ("--tls-verify=false",)
    parented = True

    def start(self) -> None:
        self.home.mkdir()
        (self.home / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.state}"\nrunroot = "{self.home}/run"\n'
        )
        (self.home / "containers.conf").write_text(
            "[containers]\n"
            f"default_ulimits = {json.dumps(_limits())}\n"
            'log_driver = "k8s-file"\n'
            "[engine]\n"
            'runtime = "runc"\n'
            'cgroup_manager = "cgroupfs"\n'
            'events_logger = "file"\n'
            f'tmp_dir = "{self.home}/tmp"\n'
            "[network]\n"
            'network_backend = "netavark"\n'
            f'network_config_dir = "{self.home}/networks"\n'
        )
        os.environ["CONTAINERS_STORAGE_CONF"] = f"{self.home}/storage.conf"
        os.environ["CONTAINERS_CONF"] = f"{self.home}/containers.conf"
        graph = run([self.program, "info", "--format", "{{.Store.GraphRoot}}"])
        if graph != str(self.state):
            raise CommandFailed(f"podman would use {graph} and not {self.state}")

    @property
    def state(self) -> Path:
        return self.home / "data"

    def version(self) -> str:
        return run([self.program, "version", "--format", "{{.Client.Version}}"])

    def task(self, name: str, image: str, command: Sequence[str]) -> dict[str, Any]:
        options = {"name": name, "image": image, "command": list(command), "state": "started", "network": "none"}
        return {
            "containers.podman.podman_container": {**options, "cgroup_parent": self.cgroup, "executable": self.program}
        }


class Berth(Engine):
    """Ours, with a root of its own."""

    name = "berth"

    def start(self) -> None:
        os.environ["BERTH_ROOT"] = str(self.home)
        run([self.program, "version"])

    def dedupe(self) -> bool:
        run([self.program, "system", "dedupe"], limit=300)
        return True

    def version(self) -> str:
        return run([self.program, "version"]).splitlines()[0].removeprefix("berth ")

    def task(self, name: str, image: str, command: Sequence[str]) -> dict[str, Any]:
        options = {"name": name, "image": image, "command": list(command), "state": "started", "network_mode": "none"}
        return {"berth.containers.container": options}


def _limits() -> list[str]:
    """Podman's own defaults ask for more files and processes than a hard limit may allow, and then nothing starts."""
    limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
    return [f"{name}={hard}:{hard}" for name, kind in limits.items() for hard in (resource.getrlimit(kind)[1],)]


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except FileNotFoundError:
        return ""
