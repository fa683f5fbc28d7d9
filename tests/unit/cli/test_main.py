# SPDX-License-Identifier: GPL-3.0-or-later
"""The door: which command, which exit status, which line; nobody's terminal is steered by a message."""

from __future__ import annotations

import os
import pathlib

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cli import main as door
from ansible_collections.berth.containers.plugins.module_utils._engine.cli.main import COMMANDS, load, main

Capture = pytest.CaptureFixture[bytes]
COMMAND_FILES = pathlib.Path(door.__code__.co_filename).with_name("commands")


def test_every_file_is_a_command_and_every_command_has_one() -> None:
    files = {path.stem for path in COMMAND_FILES.glob("*.py")} - {"__init__"}
    assert files == set(COMMANDS.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capfdbinary: Capture) -> None:
    assert load(name).COMMAND.name == name
    assert main([name, "--help"]) == 0
    alone = capfdbinary.readouterr().out
    assert alone.startswith(f"usage: berth {name}".encode())
    assert main(["help", name]) == 0
    assert capfdbinary.readouterr().out == alone


@pytest.mark.parametrize("words", [[], ["help"], ["--help"], ["-h"]])
def test_help_lists_every_command(words: list[str], capfdbinary: Capture) -> None:
    assert main(words) == 0
    said = capfdbinary.readouterr().out.decode()
    assert all(f"\n  {name} " in said for name in COMMANDS)


@pytest.mark.parametrize("words", [["version"], ["--version"]])
def test_version(words: list[str], capfdbinary: Capture, tmp_path: pathlib.Path) -> None:
    assert main(["--root", str(tmp_path), *words]) == 0
    said = capfdbinary.readouterr().out.decode()
    assert said.startswith("berth ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["rum"], 64, "berth: 'rum' is no command of berth, did you mean run?: berth help lists them\n"),
        (["\x1b[2J"], 64, "berth: '\\x1b[2J' is no command of berth: berth help lists them\n"),
        (["--rooot", "x"], 64, "berth: unknown option --rooot, did you mean --root? (see berth --help)\n"),
        (["ps", "--al"], 64, "berth: ps: unknown option --al, did you mean --all? (see berth ps --help)\n"),
        (["stop"], 64, "berth: stop: too few arguments: berth stop CONTAINER... (see berth stop --help)\n"),
        (["run", "--nope", "x"], 125, "berth: run: unknown option --nope (see berth run --help)\n"),
        (
            ["exec", "x"],
            125,
            "berth: exec: too few arguments: berth exec CONTAINER COMMAND [ARG...] (see berth exec --help)\n",
        ),
    ],
)
def test_usage_errors(words: list[str], status: int, sentence: str, capfdbinary: Capture) -> None:
    assert main(words) == status
    captured = capfdbinary.readouterr()
    assert captured.err.decode() == sentence
    assert captured.out == b""


def test_the_state_is_root_s(monkeypatch: pytest.MonkeyPatch, capfdbinary: Capture, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["--root", str(tmp_path / "root"), "ps"]) == 77
    assert capfdbinary.readouterr().err == b"berth: berth ps needs root: try sudo berth ps\n"
    assert not (tmp_path / "root").exists()
