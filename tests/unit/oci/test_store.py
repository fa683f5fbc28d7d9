# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a container: an id is taken once, and the kernel's word decides its status."""

from __future__ import annotations

import os
import pathlib

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Conflict, InvalidSpec, NotFound
from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import proc
from ansible_collections.berth.containers.plugins.module_utils._engine.oci.store import (
    Home,
    Known,
    idents,
    state_of,
    status,
)

KNOWN = Known(bundle="/b", rootfs="/b/rootfs", created="2026-01-01T00:00:00Z", annotations={"a": "b"})


@pytest.mark.parametrize("ident", ["", ".", "..", ".x", "a/b", "a b", "a\n", "ä", "x" * 256])
def test_names_that_are_none(tmp_path: pathlib.Path, ident: str) -> None:
    with pytest.raises(InvalidSpec, match="container ID"):
        Home(str(tmp_path), ident)


def test_an_id_is_taken_once(tmp_path: pathlib.Path) -> None:
    root = str(tmp_path / "root")
    first = Home(root, "one")
    first.reserve(KNOWN, b"{}")
    with pytest.raises(Conflict, match="container with id exists: one"):
        Home(root, "one").reserve(KNOWN, b"{}")
    assert (idents(root), first.read(), first.config()) == (["one"], KNOWN, b"{}")
    first.__exit__()
    first.forget()
    first.forget()
    assert idents(root) == []
    with pytest.raises(NotFound, match="container one does not exist"):
        first.read()


def test_what_a_killed_create_left_is_no_container(tmp_path: pathlib.Path) -> None:
    (tmp_path / "one").mkdir()
    home = Home(str(tmp_path), "one")
    home.reserve(KNOWN, b"{}")
    assert home.read() == KNOWN


def test_only_one_changes_it(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(str(tmp_path), "one")
    home.reserve(KNOWN, b"{}")
    monkeypatch.setattr("time.monotonic", iter(range(0, 1000, 20)).__next__)
    with pytest.raises(Exception, match="in another command's hands"), Home(str(tmp_path), "one"):
        pass


def test_status(tmp_path: pathlib.Path) -> None:
    home = Home(str(tmp_path), "one")
    home.reserve(KNOWN, b"{}")
    me = KNOWN.replace(pid=os.getpid(), started=proc.start_time(os.getpid()))
    assert status(Home(str(tmp_path), "one"), KNOWN) == "creating"
    home.__exit__()
    assert status(Home(str(tmp_path), "one"), KNOWN) == "stopped"
    assert status(home, me) == "creating"
    ready = me.replace(ready=True)
    assert status(home, ready) == "running"
    assert status(home, ready, paused=True) == "paused"
    with home.open_door():
        assert status(home, ready) == "created"
    assert status(home, ready) == "running"
    assert status(home, ready.replace(started=ready.started + 1), paused=True) == "stopped"


def test_state(tmp_path: pathlib.Path) -> None:
    running = KNOWN.replace(pid=7)
    found = state_of("one", running, "running")
    assert (found["ociVersion"], found["id"], found["pid"], found["status"]) == ("1.2.0", "one", 7, "running")
    assert (found["bundle"], found["annotations"]) == ("/b", {"a": "b"})
    assert state_of("one", running, "stopped")["pid"] == 0
