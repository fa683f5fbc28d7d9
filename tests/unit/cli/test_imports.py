# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands that must be fast import: a set that grows only on purpose, for each module is paid at every start."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cli import main as door

ENGINE = pathlib.Path(door.__code__.co_filename).parent.parent
# What the hot path uses, and whatever these import themselves on the Python at hand. The Python halves of json, socket and
# signal are not among them: they bring enum and re.
ALLOWED = "_json _socket ctypes errno fcntl gc os posixpath resource select stat struct termios time types"
NEVER = {"argparse", "dataclasses", "enum", "functools", "inspect", "json", "logging", "pathlib", "pyroute2", "re", "shutil", "signal",
         "socket", "ssl", "subprocess", "tarfile", "tempfile", "typing", "urllib3"}  # fmt: skip
LATER = {"run": ("container.start", "container.remove", "runtime.supervisor"), "exec": ("runtime.joining",)}
# Rooms that the hot path must not enter.
ROOMS = (
    "image.converge",
    "image.add",
    "storage.layers",
    "storage.tarread",
    "storage.tree",
    "network.netlink",
    "api",
)
CONVERGE = {"berth_engine.image.converge"}


def loaded(link: pathlib.Path, *statements: str) -> set[str]:
    """The names in sys.modules after the statements, in the interpreter's barest mode."""
    script = "\n".join(
        [
            f"import sys; sys.path.append({str(link)!r})",
            *statements,
            "names = sorted(sys.modules)",
            "import json",
            "print(json.dumps(names))",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stdout))


@pytest.fixture
def link(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "berth_engine").symlink_to(ENGINE)
    return tmp_path


@pytest.mark.parametrize("command", ["run", "exec", "stop", "rm", "logs", "ps"])
def test_the_fast_commands_import_little(link: pathlib.Path, command: str) -> None:
    names = loaded(
        link,
        "from berth_engine.cli.main import load",
        f"load({command!r})",
        *(f"import berth_engine.{room}" for room in LATER.get(command, ())),
    )
    allowed = loaded(link, f"import {', '.join(ALLOWED.split())}")
    assert {name for name in names if not name.startswith("berth_engine")} - allowed == {"__future__"} - allowed
    assert not names & NEVER
    assert not {f"berth_engine.{room}" for room in ROOMS} & names
    others = {name for name in names if name.startswith("berth_engine.cli.commands.")}
    assert f"berth_engine.cli.commands.{'execute' if command == 'exec' else command}" in others
    assert len(others) == 1


@pytest.mark.parametrize(("command", "rooms"), [("pull", ("converge", "facts")), ("push", ("push",))])
def test_who_asks_a_registry_imports_little(link: pathlib.Path, command: str, rooms: tuple[str, ...]) -> None:
    names = loaded(
        link,
        "from berth_engine.cli.main import load",
        f"load({command!r})",
        *(f"import berth_engine.image.{room}" for room in (*rooms, "registries")),
        "import berth_engine.registry.glance",
    )
    assert not names & (NEVER | {"base64", "contextlib", "ctypes", "email", "http", "threading", "urllib", "warnings"})
    assert not {f"berth_engine.{room}" for room in (*ROOMS, "image.make", "storage.derived")} - CONVERGE & names


def test_a_usage_error_imports_no_room(link: pathlib.Path) -> None:
    names = loaded(link, "from berth_engine.cli import main", "assert main(['nonsense']) == 64")
    assert not {name for name in names if name.startswith(("berth_engine.container", "berth_engine.runtime"))}
