# SPDX-License-Identifier: GPL-3.0-or-later
"""Another version of the engine comes to a host on which containers run: none of them notices, and the new one knows them all."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
from collections.abc import Iterator

import pytest

from .conftest import ENGINE, LAUNCHER, Berth, until


@pytest.fixture
def newer(berth: Berth, tmp_path: pathlib.Path) -> Iterator[Berth]:
    """The same root by a program of another version, which shares no file with the one that is there."""
    shutil.copytree(ENGINE, tmp_path / "berth_engine", ignore=shutil.ignore_patterns("__pycache__"))
    version = tmp_path / "berth_engine/version.py"
    version.write_text(version.read_text().replace('VERSION = "', 'VERSION = "99.'))
    program = tmp_path / "berth"
    program.write_text(LAUNCHER)
    program.chmod(0o755)
    yield Berth(program, pathlib.Path(berth.paths.root))
    berth.clear()


def state(berth: Berth, name: str) -> dict[str, object]:
    found = json.loads(berth.ok("inspect", name))[0]["state"]
    assert isinstance(found, dict)
    return found


def test_what_runs_goes_on_and_obeys_the_new_one(berth: Berth, newer: Berth) -> None:
    berth.start("--name", "old", "base", "sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 0.02; done")
    until(lambda: berth.ok("logs", "old") == "up\n")
    before = state(berth, "old")
    assert "99." in newer.ok("version")
    assert state(newer, "old") == before
    assert newer.ok("exec", "old", "echo", "joined") == "joined\n"
    newer.ok("update", "--pids-limit", "77", "old")
    newer.ok("pause", "old")
    newer.ok("unpause", "old")
    assert state(berth, "old") == before
    assert newer.ok("logs", "old") == "up\n"
    newer.ok("stop", "old")
    assert (state(newer, "old")["status"], state(newer, "old")["exit_code"]) == ("exited", 3)
    newer.ok("start", "old")
    until(lambda: newer.ok("logs", "old") == "up\nup\n")
    # And back again.
    assert berth.ok("exec", "old", "echo", "joined") == "joined\n"
    berth.ok("rm", "-f", "old")


def test_a_container_outlives_the_files_of_its_engine(berth: Berth, newer: Berth, tmp_path: pathlib.Path) -> None:
    """A supervisor reads nothing more of them: it keeps the log, and tells and cleans up after the end."""
    ident = newer.start(
        "--name", "left", "base", "sh", "-c", "trap 'echo bye; exit 5' TERM; while :; do sleep 0.02; done"
    )
    shutil.rmtree(tmp_path / "berth_engine")
    assert state(berth, "left")["running"]
    berth.ok("kill", "-s", "TERM", "left")
    until(lambda: state(berth, "left")["status"] == "exited")
    assert state(berth, "left")["exit_code"] == 5
    assert berth.ok("logs", "left") == "bye\n"
    until(lambda: not os.path.exists(f"{berth.paths.run}/containers/{ident}"))
