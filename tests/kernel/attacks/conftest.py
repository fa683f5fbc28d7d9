# SPDX-License-Identifier: GPL-3.0-or-later
"""An image whose programs are a shell and the host's Python, for attacks that need more than a shell; and others' fixtures."""

from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.tests.kernel.house import House, bare_root
from ansible_collections.berth.containers.tests.kernel.oci import conftest as foreign
from ansible_collections.berth.containers.tests.kernel.runtime import conftest as native

oci, program = foreign.oci, foreign.program
busybox, cell = native.busybox, native.cell

# Debian's interpreter, wherever the one is that runs the tests.
PYTHON = ["/usr/bin/python3", "-IS"]


@pytest.fixture(scope="session")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A root directory to change a copy of."""
    script = "rm -rf usr lib lib64; mkdir -p usr mnt tmp; chmod 1777 tmp; ln -s usr/lib lib; ln -s usr/lib64 lib64"
    return bare_root(tmp_path_factory, script)


@pytest.fixture(scope="session")
def python(shared_house: House, rootfs: str) -> Iterator[str]:
    """The image's name; mount /usr at /usr."""
    shared_house.ask("container_image", name="python", rootfs=rootfs)
    yield "python"
    shared_house.ask("container_image", name="python", state="absent")


@pytest.fixture
def hostile(rootfs: str, tmp_path: pathlib.Path) -> pathlib.Path:
    """A root directory of this test's own."""
    top = tmp_path / "hostile"
    subprocess.run(["cp", "-a", rootfs, str(top)], check=True)
    return top
