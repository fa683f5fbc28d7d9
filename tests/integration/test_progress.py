# SPDX-License-Identifier: GPL-3.0-or-later
"""At -v a long pull tells how far it is, over every kind of connection at once; without -v nobody asks and nobody is told."""

from __future__ import annotations

import json
import os
import pathlib
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.tests.kernel.registry.servers import Faulty, Handler, an_image, serving

from .conftest import Ansible, Run
from .test_connections import ENVIRONMENT, USER, Server, server

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["server"]
LINE = r"pull localhost:\d+/slow:1: \d of 2 layers, [\d.]+(B|KiB|MiB) of 4.\dMiB(, [\d.]+(B|KiB|MiB)/s)?"
PIECE = 1 << 17


@pytest.fixture
def slow() -> Iterator[Faulty]:
    """A registry that gives a layer in pieces, for two seconds."""

    def fault(handler: Handler) -> bool:
        data = handler.registry.blobs.get(handler.path.rpartition("/")[2], b"")
        if handler.command != "GET" or len(data) < 1 << 20:
            return False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        for at in range(0, len(data), PIECE):
            handler.wfile.write(data[at : at + PIECE])
            time.sleep(0.15)
        return True

    with serving(Faulty()) as found:
        found.hold(an_image(os.urandom(2 << 20), os.urandom(2 << 20)))
        found.fault = fault
        yield found


def pull(ansible: Ansible, hosts: dict[str, dict[str, Any]], slow: Faulty, home: pathlib.Path, *arguments: str) -> Run:
    """Each host is this machine with a root of its own, to which the engine has to be brought first."""
    inventory = ansible.inventory({name: {**host, "its_root": str(home / name)} for name, host in hosts.items()})
    task = {
        "name": "pull",
        "berth.containers.container_image": {"root": "{{ its_root }}", "name": f"{slow.name}/slow:1"},
        "environment": {"SOME": "thing"},
        "no_log": "{{ inventory_hostname == 'secret' }}",
        "check_mode": "{{ inventory_hostname == 'foretold' }}",
    }
    return ansible.play([task], *arguments, inventory=inventory, environment=ENVIRONMENT, berth_progress=0.4).ok()


def test_a_slow_pull(ansible: Ansible, server: Server, slow: Faulty, tmp_path: pathlib.Path) -> None:
    """As root by SSH, and as somebody who becomes root; a task in check mode has nothing to tell, and another must not."""
    local = {"ansible_connection": "local"}
    hosts = {
        "near": local,
        "far": server.host("root", ansible_ssh_pipelining=True),
        "guest": server.host(USER, ansible_become=True, ansible_become_method="su", ansible_ssh_pipelining=False),
        "other": server.host(USER, ansible_become=True, ansible_become_method="sudo", ansible_ssh_pipelining=True),
        "secret": local,
        "foretold": local,
    }
    run = pull(ansible, hosts, slow, tmp_path, "-v")
    told = {host: re.findall(rf"^{host}: ({LINE})$", run.output, re.MULTILINE) for host in hosts}
    for host in ("near", "far", "guest", "other"):
        assert len(told[host]) >= 2, run.output
        assert len(set(told[host])) == len(told[host])
        assert any(line[0].endswith("/s") for line in told[host])
    assert told["secret"] == told["foretold"] == []
    assert [line["result"]["changed"] for line in run.lines] == [True] * 6
    assert "BERTH_PROGRESS" not in json.dumps([line["result"] for line in run.lines])
    assert not [path for name in hosts for path in pathlib.Path(Paths(str(tmp_path / name)).run).glob("progress/*")]


def test_nobody_listens(ansible: Ansible, slow: Faulty, tmp_path: pathlib.Path) -> None:
    run = pull(ansible, {"near": {"ansible_connection": "local"}}, slow, tmp_path)
    assert not re.search(LINE, run.output)
    assert not pathlib.Path(Paths(str(tmp_path / "near")).run, "progress").exists(), "nothing was written for nobody"
