# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of the integration suite, on this machine and over ssh: what changes something goes through the whole order."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from ansible_collections.berth.containers.tests.integration import test_order as order
from ansible_collections.berth.containers.tests.integration.conftest import Ansible, World
from ansible_collections.berth.containers.tests.integration.test_order import (  # noqa: F401  # pylint: disable=unused-import
    ground,
    test_a_difference_is_predicted_and_made,
    test_recreate_makes_it_anew_every_time,
    test_stop_and_start,
    test_the_order_of_a_commit,
)
from ansible_collections.berth.containers.tests.vm.conftest import Host

ROOT = "/var/lib/berth"
CENSUS = """
import hashlib, os
for top in ("/var/lib/berth", "/run/berth"):
    for folder, names, files in os.walk(top):
        if folder == top:
            names[:] = [name for name in names if name not in ("engine", "uploads", "locks")]
        for path in (os.path.join(folder, name) for name in (*names, *files)):
            status = os.lstat(path)
            content = open(path, "rb").read() if os.path.isfile(path) and not os.path.islink(path) else b""
            print(path, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, hashlib.sha1(content).hexdigest())
"""


class Remote(Ansible):
    """Where the suite would be on the machine that tests, it is on this one."""

    def __init__(self, host: Host, scratch: pathlib.Path) -> None:
        super().__init__(host.source, scratch)
        self.host = host

    def local(self, **variables: Any) -> str:
        return self.inventory({"debian": {**self.host.variables(), **variables}})


class Far(World):
    """The machine's own state root, which the command line of every other test uses, too."""

    def __init__(self, host: Host, ansible: Ansible) -> None:
        super().__init__(ansible, pathlib.Path(ROOT))
        self.host = host

    def census(self) -> dict[str, object]:
        lines = self.host.run("python3 -I -", stdin=CENSUS).splitlines()
        return {line.partition(" ")[0]: line for line in lines}


@pytest.fixture(scope="module")
def world(host: Host, tmp_path_factory: pytest.TempPathFactory) -> World:
    return Far(host, Remote(host, tmp_path_factory.mktemp("ansible")))


@pytest.mark.parametrize(
    ("module", "present", "absent"),
    [
        pytest.param(*order.CONTAINER, marks=pytest.mark.short),
        *(order.IMAGE, order.ISOLATED, order.CREATED, order.ENVIRONMENT, order.TAG),
    ],
    ids=[
        "container",
        "container_image",
        "container-isolated",
        "container-present",
        "environment",
        "container_image_tag",
    ],
)
def test_the_order(world: World, module: str, present: dict[str, Any], absent: dict[str, Any]) -> None:
    order.test_the_order(world, module, present, absent)


@pytest.mark.short
def test_an_image_of_an_archive(host: Host, world: World) -> None:
    host.run(
        "cd $(mktemp -d) && mkdir -p bin etc && cp /bin/busybox bin && ln -s busybox bin/sh && tar -cf /root/tree.tar ."
    )
    options = {"name": "packed", "rootfs": "/root/tree.tar", "command": ["sh", "-c", "echo unpacked"]}
    assert [world.run("container_image", options)["changed"] for _time in range(2)] == [True, False]
    assert host.berth("run", "--rm", "packed") == "unpacked"
