# SPDX-License-Identifier: GPL-3.0-or-later
"""A network's range of addresses stays away from what the host reaches, and is chosen once."""

from __future__ import annotations

import ipaddress
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import Conflict, InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.network import subnets
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths

ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
tun0	0000590A	00000000	0001	0	0	0	0000FFFF	0	0	0
"""
ADDRESSES = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     +-- 192.0.2.0/24 2 0 1
        |-- 192.0.2.2
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
"""


def net(subnet: subnets.Subnet) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(str(subnet))


def test_the_kernels_tables_are_read() -> None:
    assert subnets.parse_routes(ROUTES) == [(0xC0000200, 24), (0x0A590000, 16)]
    assert subnets.parse_addresses(ADDRESSES) == [(0x7F000001, 32), (0xC0000202, 32)]


def test_the_first_candidate_is_docker_like() -> None:
    assert str(subnets.choose([])) == "10.89.0.0/16"
    assert str(subnets.choose(subnets.parse_routes(ROUTES))) == "10.90.0.0/16"
    assert subnets.choose([]).gateway == "10.89.0.1"


def test_ten_slash_eight_leaves_the_other_private_ranges() -> None:
    assert str(subnets.choose([(10 << 24, 8)])) == "172.20.0.0/16"
    assert str(subnets.choose([(10 << 24, 8), (172 << 24 | 16 << 16, 12)])) == "192.168.200.0/24"


def test_a_host_that_routes_everything_is_told() -> None:
    with pytest.raises(Conflict):
        subnets.choose([(10 << 24, 8), (172 << 24 | 16 << 16, 12), (192 << 24 | 168 << 16, 16)])


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(8, 32)), max_size=30), st.integers(0, 2**32 - 1))
def test_a_choice_meets_nothing_that_is_used(used: list[tuple[int, int]], turn: int) -> None:
    networks = [ipaddress.IPv4Network((base, prefix), strict=False) for base, prefix in used]
    ranges = [(int(item.network_address), item.prefixlen) for item in networks]
    try:
        chosen = net(subnets.choose(ranges, turn))
    except Conflict:
        return
    assert chosen.is_private
    assert not any(chosen.overlaps(item) for item in networks)


def test_it_is_chosen_once_for_a_root(paths: Paths, tmp_path: pathlib.Path) -> None:
    first = subnets.subnet_of(paths)
    (tmp_path / "networks" / "berth0.json").write_text('{"format":1,"name":"berth0","subnet":"10.200.0.0/16"}')
    assert str(subnets.subnet_of(paths)) == "10.200.0.0/16" != str(first)


def test_a_network_is_no_path(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InvalidSpec):
        subnets.subnet_of(Paths(str(tmp_path)), "../x")


@given(st.integers(0, 2**32 - 1))
def test_numbers_and_dots(value: int) -> None:
    assert subnets.number(subnets.dotted(value)) == value
    assert subnets.dotted(value) == str(ipaddress.IPv4Address(value))
