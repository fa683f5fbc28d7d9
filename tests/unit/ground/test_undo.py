# SPDX-License-Identifier: GPL-3.0-or-later
"""Callbacks at the end of a `with`: all of them, in reverse, whatever fails."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.undo import Scope, Undo


def fail() -> None:
    raise OSError("step")


def test_a_step_that_fails_keeps_no_other_from_being_done() -> None:
    done: list[int] = []
    with pytest.raises(OSError, match="step"), Undo() as undo:
        undo.later(lambda: done.append(1))
        undo.later(fail)
        undo.later(lambda: done.append(2))
    assert done == [2, 1]


def test_a_scope_undoes_at_its_end_and_when_it_can_not_begin() -> None:
    done: list[str] = []

    def make(undo: Undo) -> str:
        undo.later(lambda: done.append("undone"))
        if done:
            fail()
        return "made"

    with Scope(make) as made:
        assert (made, done) == ("made", [])
    assert done == ["undone"]
    with pytest.raises(OSError, match="step"), Scope(make):
        pytest.fail("it must not begin")
    assert done == ["undone", "undone"]
