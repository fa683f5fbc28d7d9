# SPDX-License-Identifier: GPL-3.0-or-later
"""The real command line in processes of its own, with a root of its own; what a test leaves behind is removed, whatever it did."""

from __future__ import annotations

import glob
import os
import pathlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pexpect
import pyroute2
import pytest
import urllib3

from ansible_collections.berth.containers.plugins.module_utils._engine import errors
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths

ENGINE = pathlib.Path(errors.__file__).parent
LAUNCHER = """\
#!/usr/bin/python3 -ISXutf8
import os
import sys

sys.path.append(os.path.dirname(os.path.realpath(__file__)))
from berth_engine.cli import main

raise SystemExit(main(sys.argv[1:]))
"""
PATIENCE = 30


def until(condition: Callable[[], bool], patience: float = 10) -> None:
    """Wait for it, but not for ever."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


class Berth:
    """The program and its root."""

    def __init__(self, program: pathlib.Path, root: pathlib.Path) -> None:
        self.program, self.paths = str(program), Paths(str(root))
        self.env = {"BERTH_ROOT": str(root), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}

    def __call__(self, *words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Run one command to its end."""
        options = {"stdin": subprocess.DEVNULL} | options if "input" not in options else options
        options = {"env": self.env, "capture_output": True, "timeout": PATIENCE, **options}
        return subprocess.run([self.program, *words], check=False, **options)

    def shell(self, line: str) -> subprocess.CompletedProcess[bytes]:
        """A line for the host's shell, in which `berth` is the program."""
        line = f'berth() {{ {self.program} "$@"; }}; {line}'
        return subprocess.run(["sh", "-c", line], env=self.env, capture_output=True, timeout=PATIENCE, check=False)

    def ok(self, *words: str, **options: Any) -> str:
        """The standard output of a command that succeeds."""
        done = self(*words, **options)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def once(self, *words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """`run --rm` without a network."""
        return self("run", "--rm", "--network", "none", *words, **options)

    def start(self, *words: str) -> str:
        """`run -d` without a network; the id."""
        return self.ok("run", "-d", "--network", "none", *words).strip()

    def popen(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([self.program, *words], env=self.env, **options)

    def spawn(self, *words: str, size: tuple[int, int] = (24, 80)) -> pexpect.spawn[bytes]:
        """On a terminal of its own."""
        return pexpect.spawn(self.program, list(words), env=self.env, timeout=PATIENCE, dimensions=size)

    def containers(self) -> list[str]:
        """The ids of all there are."""
        return self.ok("ps", "-aq", "--no-trunc").split()

    def clear(self) -> None:
        left = self.containers()
        if left:
            self.ok("rm", "-f", *left)
        # A supervisor deletes the files of a container that is gone after it has told everybody of the end.
        until(lambda: not os.listdir(self.paths.staging) and not os.listdir(f"{self.paths.run}/containers"))


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Berth]:
    place = tmp_path_factory.mktemp("berth-cli")
    (place / "berth_engine").symlink_to(ENGINE)
    for package in (pyroute2, urllib3):
        (place / package.__name__).symlink_to(pathlib.Path(package.__file__).parent)
    program = place / "berth"
    program.write_text(LAUNCHER)
    program.chmod(0o755)
    berth = Berth(program, place / "root")
    try:
        berth.ok("import", "--bootstrap", "busybox", "base")
        yield berth
    finally:
        _remove_traces(berth.paths)


def _remove_traces(paths: Paths) -> None:
    """Our own groups have our root's tag in their names; no process is in them by now."""
    for group in glob.glob(f"/sys/fs/cgroup/{paths.kernel_name('berth')}") + glob.glob(
        f"/sys/fs/cgroup/*/{paths.kernel_name('berth')}"
    ):
        for directory, _below, _files in os.walk(group, topdown=False):
            os.rmdir(directory)
    shutil.rmtree(paths.run, ignore_errors=True)


@pytest.fixture
def berth(house: Berth) -> Iterator[Berth]:
    try:
        yield house
    finally:
        house.clear()
