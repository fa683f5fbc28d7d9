# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine for all tests, into which the engine came as it comes to any host: by a playbook, over ssh."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.tests.integration.conftest import collections  # noqa: F401  # pylint: disable=unused-import
from ansible_collections.berth.containers.tests.vm.image import build
from ansible_collections.berth.containers.tests.vm.machine import Machine, booted

pytest.register_assert_rewrite("ansible_collections.berth.containers.tests.integration.test_order")

ROOT = pathlib.Path(__file__).parents[2]
PATIENCE = 300

figures: list[str] = []


class Host:
    """The machine, and what a controller and a person at its keyboard can do with it."""

    def __init__(self, machine: Machine, source: pathlib.Path) -> None:
        self.machine, self.source, self.run, self.berth = machine, source, machine.run, machine.berth

    def variables(self) -> dict[str, object]:
        """What an inventory says of the machine."""
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.machine.port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.machine.image.key),
            "ansible_ssh_common_args": subprocess.list2cmdline(self.machine.options),
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    def play(self, *words: str) -> str:
        """What ansible-playbook says; it must succeed."""
        said = self._ansible("ansible-playbook", *words)
        assert "ok=" in said
        return said

    def ask(self, module: str, options: str) -> str:
        """What one task of a module of ours says, by hand."""
        return self._ansible("ansible", "all", "-m", f"berth.containers.{module}", "-a", options)

    def _ansible(self, *words: str) -> str:
        inventory = self.machine.home / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"debian": self.variables()}}}))
        command = [words[0], "-i", inventory, *words[1:]]
        own = {"ANSIBLE_COLLECTIONS_PATH": str(self.source), "ANSIBLE_NOCOWS": "1", "ANSIBLE_PIPELINING": "true"}
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, **own},
            cwd=ROOT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def group(self, name: str) -> str:
        """The container's cgroup, in the scope that systemd made for it."""
        ident = self.ident(name)
        return f"/sys/fs/cgroup/berth.slice/berth-{ident}.scope/{ident}"

    def ident(self, name: str) -> str:
        """The container's whole id."""
        return self.berth("ps", "-aq", "--no-trunc", "--filter", f"name={name}")

    def limits(self, name: str) -> tuple[str, ...]:
        """memory.max, cpu.max and pids.max as the kernel has them."""
        return tuple(self.run(f"cd {self.group(name)} && cat memory.max cpu.max pids.max").splitlines())

    def left(self) -> str:
        """Whatever is there of containers; nothing when there are none."""
        return self.run(
            "grep /var/lib/berth/ /proc/mounts; ls -d /sys/fs/cgroup/berth /sys/fs/cgroup/berth.slice/*/ 2>/dev/null; "
            "systemctl list-units --all --plain --no-legend 'berth*.scope'; ip -o link show type veth; nft list ruleset | grep elements; "
            "ls -A /run/berth/containers /var/lib/berth/staging /var/lib/berth/containers | grep -v -e : -e '^$'; true"
        )


@pytest.fixture(scope="session")
def host(collections: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:  # noqa: F811
    begun = time.monotonic()
    image = build(os.environ.get("BERTH_VM_SUITE", "trixie"))
    built = time.monotonic()
    with booted(image, tmp_path_factory.mktemp("machine")) as machine:
        figures.append(f"image {built - begun:.0f} s, boot {time.monotonic() - built:.0f} s")
        figures.append(machine.run("uname -r; python3 --version").replace("\n", " "))
        host = Host(machine, collections)
        begun = time.monotonic()
        host.play("tests/vm/host.yml")
        figures.append(f"role host over ssh: {time.monotonic() - begun:.0f} s")
        host.berth("import", "--bootstrap", "busybox", "base")
        yield host


@pytest.fixture(autouse=True)
def nothing_left(host: Host) -> Iterator[None]:
    """Every test cleans up after itself by hand, and this sees whether the engine did too."""
    yield
    host.run("ls /var/lib/berth/containers | xargs -r berth rm -f")
    end = time.monotonic() + 5
    while (left := host.left()) and time.monotonic() < end:
        time.sleep(0.5)
    assert not left


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for line in figures:
        terminalreporter.write_line(line)
