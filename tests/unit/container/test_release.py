# SPDX-License-Identifier: GPL-3.0-or-later
"""The run-time directory of a container, which its supervisor removes while others look at it."""

from __future__ import annotations

import os
import pathlib
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.container import release


def test_a_directory_that_goes_while_it_is_claimed_is_made_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, mkdir, tries = tmp_path / "run", os.mkdir, []

    def late(path: Any, mode: int = 0o777) -> None:
        tries.append(path)
        if len(tries) == 1:
            raise FileExistsError(17, "File exists", path)  # and then it is gone
        mkdir(path, mode)

    monkeypatch.setattr(os, "mkdir", late)
    paths: Any = SimpleNamespace(container_run=lambda _ident: str(run))
    record: Any = SimpleNamespace(id="1", name="web")
    with release.claim(paths, record):
        assert run.is_dir() and len(tries) == 2
