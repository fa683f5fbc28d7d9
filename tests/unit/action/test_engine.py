# SPDX-License-Identifier: GPL-3.0-or-later
"""The one action plugin runs the module that the task means, whatever this version of ansible-core says it was resolved to."""

from __future__ import annotations

import types

import pytest

from ansible_collections.berth.containers.plugins.action.engine import ActionModule

OURS = "berth.containers"


@pytest.mark.parametrize(
    ("resolved", "named", "module"),
    [
        (f"{OURS}.container", f"{OURS}.container", f"{OURS}.container"),
        (f"{OURS}.container", "container", f"{OURS}.container"),
        (f"{OURS}.engine", f"{OURS}.container", f"{OURS}.container"),
        (f"{OURS}.engine", "container", f"{OURS}.container"),
        (f"{OURS}.engine", f"{OURS}.engine", f"{OURS}.engine"),
        (None, f"{OURS}.container_info", f"{OURS}.container_info"),
    ],
    ids=["2.19", "2.19-short", "2.17", "2.17-short", "engine", "unresolved"],
)
def test_the_module_is_the_tasks(resolved: str | None, named: str, module: str) -> None:
    action = ActionModule.__new__(ActionModule)
    action._task = types.SimpleNamespace(resolved_action=resolved, action=named)
    assert action._module() == module
