# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranges of ids: two that race never get the same one, and one that is shared is given back by the last."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.security import idranges

# The same first digits: everybody begins to look at the same place.
ROUNDS, RACERS = 60, 4


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Iterator[Paths]:
    made = Paths(str(tmp_path / "root"))
    made.prepare()
    yield made
    shutil.rmtree(made.run, ignore_errors=True)


def ident(number: int) -> str:
    return f"{0:08x}{number:056x}"


def make(paths: Paths, number: int) -> str:
    os.mkdir(paths.container(ident(number)))
    return ident(number)


def race(root: str, first: int, barrier: Any, found: Any) -> None:
    paths = Paths(root)
    for turn in range(ROUNDS):
        me = ident(first + turn)
        barrier.wait()
        start = idranges.reserve(paths, me)
        found.put((turn, start))
        barrier.wait()
        idranges.release(paths, me, start)
        barrier.wait()


def test_racers_never_get_the_same_range(paths: Paths) -> None:
    """Also where the first range they look at was left by a container that is no more."""
    fork = multiprocessing.get_context("fork")
    barrier, found = fork.Barrier(RACERS + 1), fork.Queue()
    firsts = [1000 * (number + 1) for number in range(RACERS)]
    for first in firsts:
        for turn in range(ROUNDS):
            make(paths, first + turn)
    racers = [fork.Process(target=race, args=(paths.root, first, barrier, found)) for first in firsts]
    for racer in racers:
        racer.start()
    for _turn in range(ROUNDS):
        for number in range(3):
            os.symlink(ident(9), f"{paths.leases}/ids-{number}")
        for _step in range(3):
            barrier.wait(timeout=30)
        for name in os.listdir(paths.leases):
            os.unlink(f"{paths.leases}/{name}")
    seen = [found.get(timeout=30) for _unused in range(ROUNDS * RACERS)]
    for racer in racers:
        racer.join(30)
        assert racer.exitcode == 0
    assert len(set(seen)) == ROUNDS * RACERS


def test_a_shared_range_goes_with_the_last(paths: Paths) -> None:
    owner, one, other = (make(paths, number) for number in (1, 2, 3))
    start = idranges.reserve(paths, owner)
    assert idranges.share(paths, start, owner, one)
    assert idranges.share(paths, start, owner, one)
    assert idranges.share(paths, start, owner, other)
    os.rmdir(paths.container(owner))
    idranges.release(paths, owner, start)
    assert idranges.holder(paths, start) == one
    assert not idranges.share(paths, start, owner, other)
    idranges.unshare(paths, start, one)
    idranges.unshare(paths, start, one)
    assert idranges.holder(paths, start) == other
    assert idranges.reserve(paths, make(paths, 4)) != start
    idranges.unshare(paths, start, other)
    assert idranges.holder(paths, start) == ""
    assert idranges.reserve(paths, make(paths, 5)) == start


def test_sharing_ends_before_the_owner_does(paths: Paths) -> None:
    owner, one = make(paths, 1), make(paths, 2)
    start = idranges.reserve(paths, owner)
    idranges.share(paths, start, owner, one)
    idranges.unshare(paths, start, one)
    assert idranges.holder(paths, start) == owner
    idranges.release(paths, owner, start)
    assert os.listdir(paths.leases) == []


def test_a_range_whose_owner_was_killed_is_kept_for_those_that_share_it(paths: Paths) -> None:
    owner, one = make(paths, 1), make(paths, 2)
    start = idranges.reserve(paths, owner)
    idranges.share(paths, start, owner, one)
    os.rmdir(paths.container(owner))
    assert idranges.reserve(paths, make(paths, 3)) != start
