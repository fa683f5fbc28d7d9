# SPDX-License-Identifier: GPL-3.0-or-later
"""Twenty container tasks in a loop that find everything as it should be, and Ansible's own share of that."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..command import CommandFailed, clock
from ..engines import BASE, IDLE, Engine
from ..report import Need, Row
from ..trial import Bench

ITEMS = 20
CHANGED = re.compile(r"\bchanged=(\d+)")


def measure(bench: Bench) -> Iterator[Row]:
    floors: list[float] = []
    _configure(bench)

    def converge(engine: Engine) -> None:
        engine.adopt([f"bench-loop-{number}" for number in range(1, ITEMS + 1)])
        _play(bench, engine.name, engine.task("bench-loop-{{ item }}", BASE, IDLE))

    def take(engine: Engine, index: int) -> tuple[float, ...]:
        if len(floors) <= index:
            floors.append(_play(bench, "floor", {"ansible.builtin.ping": {}})[0])
        elapsed, changed = _play(bench, engine.name, engine.task("bench-loop-{{ item }}", BASE, IDLE))
        if changed:
            raise CommandFailed(f"{engine.name}: the second run of the tasks was not unchanged")
        return (elapsed,)

    with bench.trial() as trial:
        trial.each(converge)
        trial.sample(bench.repeats(3, 1), take)
        row = trial.row(f"{ITEMS} no-op container tasks in a loop", "ms", Need(ratio=0.7))
        floor = dataclasses.replace(row, samples={"floor": floors}).value("floor")
        best = row.best_peer()
        share = f", {floor / best:.2f} of the best peer" if floor and best else ""
        note = f"Ansible's floor, {ITEMS} times ping: {floor:.0f} ms{share}" if floor else ""
        yield dataclasses.replace(row, samples={**row.samples, "floor": floors}, note=note)


def _play(bench: Bench, name: str, task: dict[str, Any]) -> tuple[float, int]:
    """Milliseconds of the whole command, and how many tasks changed something."""
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    path = bench.scratch / f"{name}.yml"
    path.write_text(json.dumps([{**play, "tasks": [{"name": name, **task, "loop": list(range(1, ITEMS + 1))}]}]))
    elapsed, said = clock(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(path)], limit=300
    )
    recap = CHANGED.search(said)
    if recap is None:
        raise CommandFailed(f"ansible-playbook {path}: no recap in {said[-300:]}")
    return elapsed, int(recap.group(1))


def _configure(bench: Bench) -> None:
    """Every engine with the same settings, Ansible's defaults; every module with the same Python."""
    settings = bench.scratch / "ansible.cfg"
    settings.write_text("")
    os.environ.update(
        ANSIBLE_CONFIG=str(settings),
        ANSIBLE_HOME=str(bench.scratch / "ansible"),
        ANSIBLE_COLLECTIONS_PATH=str(bench.collections),
        ANSIBLE_PYTHON_INTERPRETER="/usr/bin/python3",
        ANSIBLE_LOCALHOST_WARNING="false",
        ANSIBLE_NOCOLOR="true",
        PYTHONPATH=str(bench.collections / "python"),
    )
