# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports: Docker's grammar in, one spelling out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError, InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.network.ports import Port, parse_ports, show_port

numbers = st.integers(1, 65535)
addresses = st.tuples(*[st.integers(0, 255)] * 4).map(lambda parts: ".".join(map(str, parts)))


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ("80", ["0.0.0.0::80/tcp"]),
        (80, ["0.0.0.0::80/tcp"]),
        ("8080:80", ["0.0.0.0:8080:80/tcp"]),
        ("8080:80/UDP", ["0.0.0.0:8080:80/udp"]),
        ("127.0.0.1:8080:80", ["127.0.0.1:8080:80/tcp"]),
        ("127.0.0.1::80", ["127.0.0.1::80/tcp"]),
        ("127.0.0.1:0:80/tcp", ["127.0.0.1::80/tcp"]),
        ("9000-9001:80-81", ["0.0.0.0:9000:80/tcp", "0.0.0.0:9001:81/tcp"]),
        ("80-81/udp", ["0.0.0.0::80/udp", "0.0.0.0::81/udp"]),
    ],
)
def test_dockers_grammar(entry: object, shown: list[str]) -> None:
    assert [show_port(port) for port in parse_ports([entry])] == shown


@pytest.mark.parametrize(
    "entry",
    [
        "", ":", "a", "0", "65536", "80/", "80/sctp", "1.2.3:80:80", "1.2.3.256:80:80", "01.2.3.4:80:80", "[::1]:80:80", "::1:80:80",
        "81-80", "1-2:3", "1-3:1-2", "8080:", "8080:80:", "-1", "+1", "٣", "8 0", "80-", "-", "1:2:3:4:5", "host:80:80",
    ],
)  # fmt: skip
def test_an_error_names_the_entry(entry: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_ports([entry])
    assert repr(entry) in str(caught.value) or ascii(entry) in str(caught.value)


def test_the_default_address_narrows_what_names_none() -> None:
    given_ports = parse_ports(["80:80", "0.0.0.0:81:81"], default_host_ip="127.0.0.1")
    assert [port.host_ip for port in given_ports] == ["127.0.0.1", "0.0.0.0"]


def test_one_port_of_the_host_is_given_once() -> None:
    assert len(parse_ports(["80:80", "80:80", "80", "80"])) == 2
    assert len(parse_ports(["127.0.0.1:80:80", "127.0.0.2:80:80", "80:80/udp"])) == 3
    for pair in (["80:80", "80:81"], ["80:80", "127.0.0.1:80:80"], ["127.0.0.1:80:80", "127.0.0.1:80:81"]):
        with pytest.raises(InvalidSpec, match="takes the same port"):
            parse_ports(pair)


def test_a_long_range_takes_no_quadratic_time() -> None:
    assert len(parse_ports(["1-65535:1-65535"])) == 65535


@given(addresses, st.integers(0, 65535), numbers, st.sampled_from(["tcp", "udp"]))
def test_the_spelling_leads_back_to_the_port(host_ip: str, host_port: int, container_port: int, protocol: str) -> None:
    port = Port(host_ip=host_ip, host_port=host_port, container_port=container_port, protocol=protocol)
    assert parse_ports([show_port(port)]) == (port,)


@given(st.text() | st.from_regex(r"[0-9.:/\-tcpudp\[\]]{0,30}"))
def test_any_text_gives_ports_or_a_sentence(text: str) -> None:
    try:
        ports = parse_ports([text])
    except EngineError:
        return
    assert parse_ports([show_port(port) for port in ports]) == ports
