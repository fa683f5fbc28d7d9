# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases: one address for one container, found without a scan, free again when the container is gone."""

from __future__ import annotations

import multiprocessing
import os
import re

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Conflict
from ansible_collections.berth.containers.plugins.module_utils._engine.network import leases
from ansible_collections.berth.containers.plugins.module_utils._engine.network.subnets import Subnet
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths

BIG = Subnet(base=10 << 24 | 89 << 16, prefix=16)
SMALL = Subnet(base=192 << 24 | 168 << 16 | 200 << 8, prefix=24)
MIDDLE = Subnet(base=172 << 24 | 20 << 16, prefix=20)
TINY = Subnet(base=192 << 24 | 168 << 16 | 200 << 8, prefix=29)


def container(paths: Paths, ident: str) -> str:
    os.makedirs(paths.container(ident), exist_ok=True)
    return ident


def test_the_same_name_gets_the_same_address_again(paths: Paths) -> None:
    first = leases.take(paths, "berth0", BIG, container(paths, "a"), "web")
    assert leases.holder(paths, "berth0", first) == "a"
    assert leases.take(paths, "berth0", BIG, "a", "web") == first
    leases.give_back(paths, "berth0", first, "a")
    assert leases.holder(paths, "berth0", first) == ""
    assert leases.take(paths, "berth0", BIG, container(paths, "b"), "web") == first


def test_only_the_holder_gives_back(paths: Paths) -> None:
    address = leases.take(paths, "berth0", BIG, container(paths, "a"), "web")
    leases.give_back(paths, "berth0", address, "b")
    assert leases.holder(paths, "berth0", address) == "a"


def test_a_full_network_says_so_and_every_address_was_given_once(paths: Paths) -> None:
    given = [leases.take(paths, "berth0", TINY, container(paths, str(n)), "web") for n in range(TINY.hosts)]
    assert sorted(given) == [f"192.168.200.{last}" for last in range(2, 7)]
    with pytest.raises(Conflict, match=re.escape("no free address in 192.168.200.0/29")):
        leases.take(paths, "berth0", TINY, container(paths, "x"), "web")


def test_the_steps_visit_every_address() -> None:
    for subnet in (BIG, MIDDLE, SMALL, TINY):
        assert len(set(leases._candidates(subnet, "web"))) == subnet.hosts


def test_a_lease_of_a_container_that_is_gone_is_taken_over(paths: Paths) -> None:
    address = leases.take(paths, "berth0", TINY, container(paths, "a"), "web")
    os.rmdir(paths.container("a"))
    assert leases.take(paths, "berth0", TINY, container(paths, "b"), "web") == address
    os.rmdir(paths.container("b"))
    assert leases.drop_all_stale(paths, "berth0") == [address]


def test_taking_looks_at_few_addresses_when_most_are_taken(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0
    taken: set[str] = set()

    def claim(link: str, target: str) -> bool:
        nonlocal tries
        tries += 1
        fresh = link not in taken
        taken.add(link)
        return fresh

    monkeypatch.setattr(leases, "_claim", claim)
    count = MIDDLE.hosts * 9 // 10
    for number in range(count):
        leases.take(paths, "berth0", MIDDLE, "a", f"web{number}")
    assert tries / count < 10


def _take(root: str, first: int, barrier: object, found: multiprocessing.Queue[list[str]]) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    found.put([leases.take(Paths(root), "berth0", SMALL, f"c{first + n}", "same") for n in range(20)])


def test_ten_processes_at_once_get_different_addresses(paths: Paths) -> None:
    for number in range(200):
        container(paths, f"c{number}")
    for number in range(40):  # leases of the dead in the way of everybody
        container(paths, f"dead{number}")
        leases.take(paths, "berth0", SMALL, f"dead{number}", "same")
        os.rmdir(paths.container(f"dead{number}"))
    context = multiprocessing.get_context("fork")
    barrier, found = context.Barrier(10), context.Queue()
    workers = [context.Process(target=_take, args=(paths.root, 20 * n, barrier, found)) for n in range(10)]
    for worker in workers:
        worker.start()
    addresses = [address for _unused in workers for address in found.get(timeout=20)]
    for worker in workers:
        worker.join(10)
    assert len(addresses) == len(set(addresses)) == 200


def test_a_mac_address_follows_from_the_address() -> None:
    assert leases.mac_of("10.89.0.255") == "02:42:0a:59:00:ff"
