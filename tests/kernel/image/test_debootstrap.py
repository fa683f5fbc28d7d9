# SPDX-License-Identifier: GPL-3.0-or-later
"""`bootstrap: debootstrap` asks the host's program for what the task says, once; the program here is one that tells how it was asked."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.answer import Answer
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError, InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.image.converge import container_image
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.kernel.mounts import mount
from ansible_collections.berth.containers.plugins.module_utils._engine.kernel.process import NEWNS, unshare
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.progress import DONE
from ansible_collections.berth.containers.tests.kernel.house import in_child
from ansible_collections.berth.containers.tests.kernel.image.stores import ask
from ansible_collections.berth.containers.tests.kernel.storage.trees import state

PROGRAM = """#!/bin/sh
echo "$@" >> {log}
for word; do target=$before; before=$word; done
case $target in /*) ;; *) target=$before ;; esac
[ "{ending}" = 0 ] || {{ echo "I: hello"; echo "E: Invalid Release file, no such suite"; exit {ending}; }}
echo "I: Retrieving InRelease"
for package in libc6 dash; do echo "I: Retrieving $package 1.0"; done
printf 'I: Unpacking \\033[31mrequired packages...\n'
echo "W: not this"
mkdir -p $target/etc $target/var/log $target/proc $target/var/cache/apt/archives
echo mine > $target/etc/hostname
date +%N > $target/var/log/bootstrap.log
touch $target/var/cache/apt/archives/x.deb
mount -t tmpfs none $target/proc
touch $target/proc/not-in-the-image
"""
WANTED: dict[str, Any] = {
    "name": "debian", "bootstrap": "debootstrap", "suite": "trixie", "mirror": "http://127.0.0.1/debian", "packages": ["zsh", "curl"]
}  # fmt: skip


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Iterator[Paths]:
    with state(str(tmp_path / "state")) as made:
        yield made


def converge(paths: Paths, tmp_path: pathlib.Path, *, ending: int = 0, check: bool = False, **params: Any) -> Answer:
    """The request where the program above is the host's debootstrap."""
    return with_program(tmp_path, ending, lambda: ask(paths, "container_image", check=check, **{**WANTED, **params}))


def with_program(tmp_path: pathlib.Path, ending: int, act: Callable[[], Answer]) -> Answer:
    program = tmp_path / "debootstrap"
    program.write_text(PROGRAM.format(log=tmp_path / "log", ending=ending))
    program.chmod(0o755)

    def work() -> Answer:
        unshare(NEWNS)
        mount("none", "/", "", 0x4000 | 1 << 18, "")
        mount(str(program), "/usr/sbin/debootstrap", "", 4096, "")
        return act()

    answer = in_child(work)
    assert isinstance(answer, Answer)
    return answer


def asked(tmp_path: pathlib.Path) -> list[str]:
    log = tmp_path / "log"
    return log.read_text().splitlines() if log.exists() else []


def test_it_is_made_once(paths: Paths, tmp_path: pathlib.Path) -> None:
    predicted = converge(paths, tmp_path, check=True)
    assert asked(tmp_path) == []
    done = converge(paths, tmp_path)
    assert (predicted.changed, predicted.before, predicted.after) == (True, done.before, done.after)
    (words,) = asked(tmp_path)
    assert words.startswith("--variant=minbase --include=curl,zsh trixie /")
    assert words.endswith("/debootstrap http://127.0.0.1/debian")
    for check in (False, True):
        assert not converge(paths, tmp_path, check=check).changed
    assert converge(paths, tmp_path, packages=["zsh"]).changed
    assert len(asked(tmp_path)) == 2
    assert os.listdir(paths.staging) == []


def test_what_tells_of_this_run_is_left_out(paths: Paths, tmp_path: pathlib.Path) -> None:
    converge(paths, tmp_path)
    tree = pathlib.Path(resolve(paths, "debian").layers[0])
    files = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    assert files == {"etc/hostname"}
    assert (tree / "etc/hostname").read_text() == ""
    assert resolve(paths, "debian").config["Cmd"] == ["/bin/bash"]


def test_its_complaint_is_passed_on(paths: Paths, tmp_path: pathlib.Path) -> None:
    with pytest.raises(EngineError, match="trixie ended with status 3: 'E: Invalid Release file"):
        converge(paths, tmp_path, ending=3)
    assert os.listdir(paths.staging) == os.listdir(paths.blobs) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"suite": None},
        {"suite": "--foreign"},
        {"mirror": "x"},
        {"variant": "x"},
        {"packages": ["a,b"]},
        {"packages": "a"},
    ],
)
def test_what_it_would_misread_is_refused(paths: Paths, bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match=next(iter(bad))):
        ask(paths, "container_image", **{**WANTED, **bad})


def test_it_is_told_what_it_does(paths: Paths, tmp_path: pathlib.Path) -> None:
    """Each step as soon as the program tells of it, then the bytes of its tree."""

    def act() -> Answer:
        told: list[tuple[str, int, str]] = []
        made = container_image(
            paths, WANTED, check=False, progress=lambda event: told.append((event.step, event.done, event.state))
        )
        return made.replace(result={"told": told})

    told = with_program(tmp_path, 0, act).result["told"]
    steps = [step for step, _done, _state in told if step]
    assert steps == [
        "Retrieving InRelease (1)",
        "Retrieving libc6 1.0 (2)",
        "Retrieving dash 1.0 (3)",
        "Unpacking ?[31mrequired packages... (1)",
    ]
    assert told[-1][0] == "" and told[-1][1] > 0 and told[-1][2] == DONE
