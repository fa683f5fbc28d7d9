# SPDX-License-Identifier: GPL-3.0-or-later
"""What README.md and docs/ show is run: playbooks converge twice, and consoles print what the page says they print.

A block of yaml that is a list of plays is a playbook. In a block of console a line that begins with "# " is a command and the
lines below it are its output; "..." stands for anything, on a line of its own for any lines. Blocks of sh are for people.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from .conftest import ROOT, World

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = "# "


class Page:
    """One page's blocks that can be run, in their order, as (kind, text, number of the line)."""

    def __init__(self, path: pathlib.Path) -> None:
        text = path.read_text()
        self.blocks = []
        for match in FENCE.finditer(text):
            kind, content, line = match[1], match[2], text.count("\n", 0, match.start()) + 1
            if kind == "console" or (kind == "yaml" and is_playbook(content)):
                self.blocks.append((kind, content, line))


def is_playbook(text: str) -> bool:
    document = yaml.safe_load(text)
    return isinstance(document, list) and all("hosts" in play for play in document)


def conversations(text: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a console, and the lines that each should print."""
    command, output, goes_on = "", list[str](), False
    for line in text.splitlines():
        if goes_on or line.startswith(PROMPT):
            if not goes_on and command:
                yield command, output
                command, output = "", []
            command += line if goes_on else line[len(PROMPT) :]
            goes_on = command.endswith("\\")
            command = command[:-1] if goes_on else command
        else:
            output.append(line)
    yield command, output


def pattern(lines: list[str]) -> str:
    """A regular expression for what the page shows, to be tried on what `plain` gives."""
    return "".join(
        "(?:.*\n)*" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + "\n"
        for line in plain("\n".join(lines)).splitlines()
    )


def plain(text: str) -> str:
    """The text without empty lines, and with one blank where there are several: the width of columns is no matter."""
    return "".join(f"{' '.join(line.split())}\n" for line in text.splitlines() if line.strip())


class Reader:
    """Does what a page says, below a root of its own."""

    def __init__(self, world: World, scratch: pathlib.Path) -> None:
        self.world, self.scratch = world, scratch
        (program,) = world.root.glob("engine/*/berth")
        (scratch / "bin").mkdir()
        (scratch / "bin/berth").symlink_to(program)
        self.own = {"BERTH_ROOT": str(world.root)}

    def converge(self, text: str) -> None:
        path = self.scratch / "playbook.yml"
        path.write_text(text)
        ansible = self.world.ansible
        inventory = ansible.local(ansible_become=False)
        for _time in range(2):
            # Nothing is put into the paths of the machine that tests it.
            run = ansible.run_file(path, inventory=inventory, environment=self.own, host_command="").ok()
        assert run.changed == []

    def type(self, command: str) -> str:
        path = f"{self.scratch / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            command, shell=True, cwd=self.scratch, env={**os.environ, **self.own, "PATH": path}, text=True, timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        return plain(done.stdout)


@pytest.fixture
def reader(world: World, tmp_path: pathlib.Path) -> Iterator[Reader]:
    """A reader who finds nothing but an engine, and leaves nothing else."""
    reader = Reader(world, tmp_path)
    try:
        yield reader
    finally:
        # No time is given to those that ignore the signal to end.
        reader.type(
            "for one in $(berth ps -aq); do berth rm -f $one; done; for one in $(berth images -q); do berth rmi -f $one; done"
        )
        shutil.rmtree("/var/tmp/berth-docs", ignore_errors=True)
    assert reader.type("berth ps -aq; berth images -q") == ""


@pytest.mark.parametrize("path", [path for path in PAGES if Page(path).blocks], ids=lambda path: path.stem)
def test_what_the_page_shows_is_so(reader: Reader, path: pathlib.Path) -> None:
    for kind, text, line in Page(path).blocks:
        if kind == "yaml":
            reader.converge(text)
            continue
        for command, expected in conversations(text):
            printed = reader.type(command)
            assert re.fullmatch(pattern(expected), printed), f"{path.name}:{line}: {command}\n{printed}"


def test_the_pages_have_something_to_run() -> None:
    assert sum(len(Page(path).blocks) for path in PAGES) >= 10


def test_a_console_that_lies_is_found(reader: Reader) -> None:
    said = reader.type("berth ps -a")
    assert re.fullmatch(pattern(["CONTAINER ID ... NAMES"]), said)
    assert not re.fullmatch(pattern(["CONTAINER ID ... NAMES", "web"]), said)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: pathlib.Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), target
