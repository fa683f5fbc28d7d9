# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that makes a foreign bundle's processes, and the order in which it and its child speak."""

from __future__ import annotations

import os
import time
from typing import NoReturn

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.kernel.sockets import Socket
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime import foreign, link
from ansible_collections.berth.containers.tests.kernel.house import in_child

ORDER = foreign.Order(verb="exec", ident="one", bundle="/", rootfs="/", oci={"linux": {}}, process={})


def test_a_child_says_nothing_before_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have the same end of the link, and on a busy host the child may be the first to run."""
    ours, theirs = link.pair()

    def hasty(_order: foreign.Order, end: Socket, _spaces: dict[str, int]) -> NoReturn:
        link.send(end, "ready")
        os._exit(0)

    def slow() -> int:
        turn = os.pipe2(os.O_CLOEXEC)
        pid = foreign._give_birth(ORDER, theirs, (), turn)
        time.sleep(0.2)
        link.send(theirs, "born", {"pid": pid})
        os.close(turn[1])
        return pid

    monkeypatch.setattr(foreign.foreign_exec, "prepare", lambda _order: None)
    monkeypatch.setattr(foreign.foreign_exec, "main", hasty)
    with ours, theirs:
        pid = in_child(slow)
        assert link.receive(ours, "born")[0]["pid"] == pid
        assert link.receive(ours, "ready")[0] == {"word": "ready"}
    assert os.waitpid(pid, 0) == (pid, 0)
