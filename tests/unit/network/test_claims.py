# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the host: one holder each, nothing half claimed, and the kernel's choice never collides with ours."""

from __future__ import annotations

import os
import pathlib
import socket

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Conflict
from ansible_collections.berth.containers.plugins.module_utils._engine.network import claims
from ansible_collections.berth.containers.plugins.module_utils._engine.network.ports import parse_ports

LOCAL = "127.0.0.1"


def owner(ident: str) -> str:
    return "" if ident.startswith("gone") else f"name-of-{ident}"


def free() -> int:
    with socket.socket() as door:
        door.bind((LOCAL, 0))
        return int(door.getsockname()[1])


def test_a_port_has_one_holder(tmp_path: pathlib.Path) -> None:
    directory, number = str(tmp_path), free()
    ports = parse_ports([f"{number}:80"], LOCAL)
    assert claims.claim(directory, "a", ports, owner) == ports
    assert claims.claim(directory, "a", ports, owner) == ports
    with pytest.raises(Conflict, match=f"port {number}/tcp on .* is in use by container name-of-a"):
        claims.claim(directory, "b", parse_ports([f"{number}:80"]), owner)
    assert claims.drop(directory, "b", ports) == ()
    assert claims.drop(directory, "a", ports) == ports
    assert os.listdir(directory) == []
    assert claims.claim(directory, "b", parse_ports([f"{number}:80"]), owner)


def test_a_claim_of_one_that_is_gone_counts_for_nothing(tmp_path: pathlib.Path) -> None:
    ports = parse_ports([f"{free()}:80"], LOCAL)
    claims.claim(str(tmp_path), "gone", ports, owner)
    assert claims.claim(str(tmp_path), "b", ports, owner) == ports


def test_nothing_stays_claimed_when_one_port_is_taken(tmp_path: pathlib.Path) -> None:
    with socket.socket() as door:
        door.bind((LOCAL, 0))
        door.listen()
        number = door.getsockname()[1]
        with pytest.raises(Conflict, match="another program"):
            claims.claim(str(tmp_path), "a", parse_ports([f"{free()}:1", "2", f"{number}:3"], LOCAL), owner)
    assert os.listdir(tmp_path) == []


def test_the_kernels_choice_is_made_again_while_it_is_taken(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = free(), free(), free()
    choices = iter([first, second, second, third])
    monkeypatch.setattr(claims, "_free_number", lambda _: next(choices))
    given = claims.claim(str(tmp_path), "a", parse_ports(["1", "2", f"{first}:3"], LOCAL), owner)
    assert [(port.host_port, port.container_port) for port in given] == [(second, 1), (third, 2), (first, 3)]
