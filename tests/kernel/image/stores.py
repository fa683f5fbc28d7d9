# SPDX-License-Identifier: GPL-3.0-or-later
"""A store with a few images in it that share what images share, and the verbs as tests ask them."""

from __future__ import annotations

import os
import pathlib
import time
from typing import Any

from ansible_collections.berth.containers.plugins.module_utils._engine.answer import Answer
from ansible_collections.berth.containers.plugins.module_utils._engine.api import answer
from ansible_collections.berth.containers.plugins.module_utils._engine.image.commit import CommitSpec, plan_commit
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.records import write_record
from ansible_collections.berth.containers.tests.kernel.storage.trees import ledger

DATED = 1_600_000_000 * 10**9


def ask(paths: Paths, verb: str, *, check: bool = False, **params: Any) -> Answer:
    """A request, as a module makes it; in check mode it must leave everything as it was."""
    before = ledger(paths.root) if check else {}
    given = answer({"verb": verb, "root": paths.root, "check": check, "params": params})
    assert not check or ledger(paths.root) == before
    return given


def converge(paths: Paths, verb: str, **params: Any) -> Answer:
    """Check, run, run again, check again: the prediction is exact, and the second run changes nothing."""
    predicted = ask(paths, verb, check=True, **params)
    done = ask(paths, verb, **params)
    assert (predicted.changed, predicted.before, predicted.after) == (done.changed, done.before, done.after)
    assert predicted.result == done.result
    assert os.listdir(paths.staging) == []
    for check in (False, True):
        again = ask(paths, verb, check=check, **params)
        assert (again.changed, again.before, again.after) == (False, done.after, done.after)
    return done


def write(root: pathlib.Path | str, files: dict[str, bytes], *, when: int = DATED) -> None:
    """Files below `root`, with directories and one time for all of them."""
    for name, data in files.items():
        path = pathlib.Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, ns=(when, when))


def child(paths: Paths, base: str, name: str, upper: pathlib.Path) -> None:
    """The image `name`: `base` with what the directory `upper` has, as a commit makes it."""
    with plan_commit(
        paths,
        base=resolve(paths, base),
        upper=str(upper),
        ignore=(),
        previous=None,
        spec=CommitSpec(name=name),
        check=False,
    ) as commit:
        commit.plan.apply()


def container(paths: Paths, ident: str, image: str) -> pathlib.Path:
    """What the store sees of a container that does not run; its upper directory."""
    upper = pathlib.Path(paths.container(ident)) / "upper"
    upper.mkdir(parents=True)
    record = {
        "image_digest": resolve(paths, image).digest,
        "image": f"{image}:latest",
        "spec": {"name": ident, "image": image},
    }
    write_record(f"{paths.container(ident)}/record.json", {**record, "created": time.time(), "id_start": None})
    return upper
