# SPDX-License-Identifier: GPL-3.0-or-later
"""Work side by side: all of it is done, waiting is shared, and every failure is told."""

from __future__ import annotations

import os
import pathlib
import time
from typing import NoReturn

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.environment.parallel import each
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    Conflict,
    EngineError,
    KernelError,
    NotFound,
)


def fail(error: EngineError) -> NoReturn:
    raise error


def test_all_is_done_in_processes_of_their_own(tmp_path: pathlib.Path) -> None:
    each(
        {
            str(number): lambda number=number: (tmp_path / str(number)).write_text(str(os.getpid()))
            for number in range(40)
        }
    )
    pids = {int(path.read_text()) for path in tmp_path.iterdir()}
    assert len(pids) == 40
    assert os.getpid() not in pids


def test_waiting_is_shared() -> None:
    begun = time.monotonic()
    each({str(number): lambda: time.sleep(0.2) for number in range(10)})
    assert time.monotonic() - begun < 1.0


def test_one_failure_keeps_its_kind_and_stops_no_other(tmp_path: pathlib.Path) -> None:
    work = {"bad": lambda: fail(Conflict("port 80 is taken")), "good": (tmp_path / "done").touch}
    with pytest.raises(Conflict, match=r"^port 80 is taken$"):
        each(work)
    assert (tmp_path / "done").exists()


def test_several_failures_are_told_together() -> None:
    with pytest.raises(NotFound, match=r"^no a\nmount b: Operation not permitted$"):
        each({"a": lambda: fail(NotFound("no a")), "b": lambda: fail(KernelError("mount", "b", 1))})


def test_a_worker_that_dies_is_told() -> None:
    with pytest.raises(EngineError, match="container web: its worker ended with status -9"):
        each({"web": lambda: os.kill(os.getpid(), 9)})
