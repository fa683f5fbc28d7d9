# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of resolv.conf, hosts and hostname."""

from __future__ import annotations

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.network import resolv

HOST = """# made by hand
domain old.example
nameserver 192.0.2.53
nameserver 2001:db8::53
search a.example b.example
options ndots:5 timeout:1 trust-ad
; nameserver 192.0.2.99
nameserver
"""


def test_on_a_bridge_the_responder_answers() -> None:
    text = "nameserver 127.0.0.11\nsearch a.example b.example\noptions timeout:1 trust-ad ndots:0\n"
    assert resolv.resolv_conf("bridge", HOST) == text
    assert resolv.resolv_conf("bridge", HOST, ["192.0.2.1"]) == text
    assert resolv.resolv_conf("bridge", "") == "nameserver 127.0.0.11\noptions ndots:0\n"


def test_the_hosts_network_has_the_hosts_settings() -> None:
    assert resolv.resolv_conf("host", HOST) == HOST
    given = resolv.resolv_conf("host", HOST, ["192.0.2.1"])
    assert given == "nameserver 192.0.2.1\nsearch a.example b.example\noptions timeout:1 trust-ad\n"


def test_without_a_network_there_is_nothing_to_ask() -> None:
    assert resolv.resolv_conf("none", HOST) == ""
    assert resolv.resolv_conf("none", HOST, ["192.0.2.1"]) == "nameserver 192.0.2.1\n"


def test_another_containers_network_comes_with_its_own() -> None:
    with pytest.raises(InvalidSpec):
        resolv.resolv_conf("container", HOST)


def test_upstreams() -> None:
    assert resolv.upstreams(HOST) == ("192.0.2.53", "2001:db8::53")
    assert resolv.upstreams(HOST, ["192.0.2.1"]) == ("192.0.2.1",)


def test_hosts() -> None:
    text = resolv.hosts(["web", "web", ""], "10.89.0.5", {"db": "10.0.0.1", "me": "host-gateway"}, "10.89.0.1")
    assert text.startswith("127.0.0.1\tlocalhost\n::1\t")
    assert text.endswith("10.0.0.1\tdb\n10.89.0.1\tme\n10.89.0.5\tweb\n")
    assert resolv.hosts(["web"]).endswith("127.0.0.1\tweb\n")
    with pytest.raises(InvalidSpec, match="no way to its host"):
        resolv.hosts(["web"], entries={"me": "host-gateway"})


def test_hostname() -> None:
    assert resolv.hostname("web") == "web\n"


@pytest.mark.parametrize("address", ["", "localhost", "1.2.3", "1.2.3.4\nevil", 5, None, "::g"])
def test_what_is_no_address(address: object) -> None:
    with pytest.raises(InvalidSpec):
        resolv.check_dns_servers([address])
    with pytest.raises(InvalidSpec, match="db has"):
        resolv.check_etc_hosts({"db": address})


@pytest.mark.parametrize("name", ["", "a b", "a\tb", "a\nb", "#a", "a\0"])
def test_what_is_no_host_name(name: str) -> None:
    with pytest.raises(InvalidSpec, match="no host name"):
        resolv.check_etc_hosts({name: "10.0.0.1"})


def test_what_is_an_address() -> None:
    assert resolv.check_dns_servers(["192.0.2.1", "::1"]) == ("192.0.2.1", "::1")
    assert resolv.check_etc_hosts({"db": "::1", "me": "host-gateway"}) == {"db": "::1", "me": "host-gateway"}
