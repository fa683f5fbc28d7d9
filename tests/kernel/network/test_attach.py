# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers on a bridge, judged by what goes through and what does not."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    Conflict,
    Damaged,
    MissingDependency,
    NotFound,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.network import attach, links, nat
from ansible_collections.berth.containers.plugins.module_utils._engine.network.ports import parse_ports

if TYPE_CHECKING:
    from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths

    World = Any
    Ask = Callable[..., str]
    Command = Callable[..., str]

HOST, OUTSIDE = "198.51.100.1", "198.51.100.2"
UDP = socket.SOCK_DGRAM


def leftovers(paths: Paths) -> list[str]:
    """Every file of the network's that belongs to a container."""
    found = []
    for top in (paths.leases, f"{paths.run}/networks"):
        for directory, _unused, files in os.walk(top):
            found += [os.path.join(directory, name) for name in files]
    return found


def host_links(command: Command) -> set[str]:
    return {item["ifname"] for item in json.loads(command("ip", "-j", "link"))}


def test_a_container_has_its_own_address_route_and_nothing_of_the_hosts(world: World) -> None:
    web = world.start("web")
    seen = json.loads(web.command("ip", "-j", "address"))
    assert [item["ifname"] for item in seen] == ["lo", "eth0"]
    assert all("UP" in item["flags"] for item in seen)
    assert [item["local"] for item in seen[1]["addr_info"]] == [web.address]
    assert seen[1]["address"] == web.attachment.mac
    assert seen[1]["addr_info"][0]["prefixlen"] == 16
    (default,) = json.loads(web.command("ip", "-j", "route", "show", "default"))
    assert (default["gateway"], default["dev"]) == (web.attachment.gateway, "eth0")
    assert attach.attachment_of(world.paths, web.ident) == web.attachment


def test_two_containers_talk(world: World, ask: Ask) -> None:
    web, client = world.start("web"), world.start("client")
    web.serve(80, says="web")
    assert client.run(lambda: ask(web.address, 80)) == f"web {client.address}"
    assert ask(web.address, 80) == f"web {web.attachment.gateway}"


def test_the_outside_sees_the_hosts_address(world: World, ask: Ask) -> None:
    web = world.start("web")
    world.outside.serve(80, says="outside")
    world.outside.serve(53, UDP, says="outside")
    assert web.run(lambda: ask(OUTSIDE, 80)) == f"outside {HOST}"
    assert web.run(lambda: ask(OUTSIDE, 53, UDP)) == f"outside {HOST}"


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, UDP])
def test_a_published_port_answers_on_every_address_of_the_host(world: World, ask: Ask, kind: int) -> None:
    web = world.start("web", f"8080:80/{'udp' if kind == UDP else 'tcp'}")
    client = world.start("client")
    web.serve(80, kind, says="web")
    gateway = web.attachment.gateway
    for address in ("127.0.0.1", "127.1.2.3", HOST, gateway):
        assert ask(address, 8080, kind).startswith("web "), address
    assert world.outside.run(lambda: ask(HOST, 8080, kind)) == f"web {OUTSIDE}"
    for container in (client, web):
        for address in (HOST, gateway):
            assert container.run(lambda address=address: ask(address, 8080, kind)) == f"web {gateway}", (
                container.name,
                address,
            )
    assert ask(HOST, 8081, kind) == "refused"


def test_a_port_published_on_one_address_is_on_no_other(world: World, ask: Ask) -> None:
    web = world.start("web", "127.0.0.1:8080:80", f"{HOST}:8081:80")
    web.serve(80, says="web")
    assert ask("127.0.0.1", 8080).startswith("web")
    assert ask(HOST, 8080) == "refused"
    assert world.outside.run(lambda: ask(HOST, 8080)) == "refused"
    assert world.outside.run(lambda: ask(HOST, 8081)) == f"web {OUTSIDE}"
    assert ask("127.0.0.1", 8081) == "refused"


def send_loopback_over_the_wire(box: Any, gateway: str, source: str) -> None:
    """Make `box` send what goes to 127.0.0.1 to its neighbour, as a hostile machine can."""
    box.command("ip", "route", "flush", "table", "local", "root", "127.0.0.0/8")
    for path in ("/proc/sys/net/ipv4/conf/all/route_localnet", "/proc/sys/net/ipv4/conf/eth0/route_localnet"):
        box.command("sh", "-c", f"echo 1 >{path}")
    box.command("ip", "route", "add", "127.0.0.1/32", "via", gateway, "src", source)


def shout(box: Any, port: int) -> None:
    """One datagram from `box` to 127.0.0.1, over the wire."""

    def work() -> None:
        with socket.socket(socket.AF_INET, UDP) as door:
            door.sendto(b"knock", ("127.0.0.1", port))

    box.run(work)


def heard(door: socket.socket) -> bool:
    """Whether a datagram arrives soon."""
    door.settimeout(0.3)
    try:
        return door.recv(10) == b"knock"
    except TimeoutError:
        return False


def test_neither_a_container_nor_a_neighbour_reaches_the_hosts_loopback(world: World, command: Command) -> None:
    web, spy = world.start("web", "127.0.0.1:8080:80/udp"), world.start("spy")
    send_loopback_over_the_wire(spy, spy.attachment.gateway, spy.address)
    send_loopback_over_the_wire(world.outside, HOST, OUTSIDE)
    private = socket.socket(socket.AF_INET, UDP)
    private.bind(("127.0.0.1", 7777))
    published = web.run_here(lambda: socket.socket(socket.AF_INET, UDP))
    published.bind(("0.0.0.0", 80))
    with private, published:
        shout(world.here(), 8080)
        assert heard(published)
        shout(spy, 7777)
        assert not heard(private)
        for box in (spy, world.outside):
            shout(box, 8080)
            assert not heard(published)
        # What was kept out is the rules' doing and not an accident of this test.
        command("nft", "flush", "chain", "ip", world.table, "guard")
        shout(spy, 7777)
        assert heard(private)
        command("nft", "delete", "rule", "ip", world.table, "prerouting", "handle", first_rule(world, "prerouting"))
        shout(world.outside, 8080)
        assert heard(published)


def first_rule(world: World, chain: str) -> str:
    """The handle of a chain's first rule."""
    shown = json.loads(world.here().command("nft", "-j", "list", "chain", "ip", world.table, chain))["nftables"]
    return next(str(item["rule"]["handle"]) for item in shown if "rule" in item)


def test_a_port_that_is_not_published_can_not_be_routed_to(world: World, ask: Ask) -> None:
    web = world.start("web", "8080:80")
    web.serve(80, says="web")
    web.serve(81, says="private")
    world.outside.command("ip", "route", "add", "10.0.0.0/8", "via", HOST)
    world.outside.command("ip", "route", "add", "172.16.0.0/12", "via", HOST)
    assert world.outside.run(lambda: ask(web.address, 81, patience=0.4)) == ""
    assert world.outside.run(lambda: ask(web.address, 80, patience=0.4)) == ""
    assert world.outside.run(lambda: ask(HOST, 8080)) == f"web {OUTSIDE}"


def test_a_container_can_not_use_anothers_address(world: World, ask: Ask) -> None:
    web = world.start("web")
    world.outside.serve(80, says="outside")
    web.command("ip", "address", "add", "203.0.113.5/32", "dev", "eth0")
    web.command("ip", "route", "replace", "default", "via", web.attachment.gateway, "src", "203.0.113.5")
    world.outside.command("ip", "route", "add", "203.0.113.0/24", "via", HOST)
    assert web.run(lambda: ask(OUTSIDE, 80, patience=0.4)) == ""


def test_an_admins_drop_wins_and_stays(world: World, ask: Ask, command: Command) -> None:
    web = world.start("web", "8080:80", "8081:80")
    web.serve(80, says="web")
    assert world.outside.run(lambda: ask(HOST, 8080)).startswith("web")
    command(
        "nft",
        "add",
        "rule",
        "ip",
        world.table,
        "admin",
        "meta",
        "l4proto",
        "tcp",
        "ct",
        "original",
        "proto-dst",
        "8080",
        "drop",
    )
    assert world.outside.run(lambda: ask(HOST, 8080, patience=0.4)) == ""
    assert world.outside.run(lambda: ask(HOST, 8081)).startswith("web")
    world.start("other")
    attach.repair(world.paths)
    assert world.outside.run(lambda: ask(HOST, 8080, patience=0.4)) == ""


def test_release_leaves_nothing(world: World, ask: Ask, command: Command) -> None:
    before = host_links(command) | {world.bridge}
    web = world.start("web", "8080:80", "80/udp", "127.0.0.1:9000-9002:1-3")
    assert "8080" in world.rules()
    assert links.is_there(web.attachment.host_interface)
    assert attach.release(world.paths, web.ident)
    assert host_links(command) == before
    assert leftovers(world.paths) == []
    assert "elements" not in world.rules()
    assert not attach.release(world.paths, web.ident)
    assert ask("127.0.0.1", 8080) == "refused"
    attach.remove_network(world.paths)
    assert host_links(command) == before - {world.bridge}
    assert world.table not in command("nft", "list", "tables")


def test_release_does_not_wait_for_the_kernel_when_the_container_ended(world: World) -> None:
    took = []
    for number in range(5):
        web = world.start(f"web{number}")
        web.end()
        start = time.perf_counter()
        attach.release(world.paths, web.ident, ended=True)
        took.append(time.perf_counter() - start)
        attach.finish_release(web.ident)
        assert not links.is_there(web.attachment.host_interface)
    assert statistics.median(took) < 0.01


def test_what_holds_the_namespace_does_not_hold_the_link(world: World) -> None:
    web = world.start("web")
    attach.release(world.paths, web.ident, ended=True)
    attach.finish_release(web.ident, patience=0.05)
    assert not links.is_there(web.attachment.host_interface)


def test_a_port_in_use_is_a_conflict_before_anything_is_made(world: World) -> None:
    world.start("web", "8080:80")
    world.here().serve(9090)
    ident = "f" * 64
    os.mkdir(world.paths.container(ident))
    before = leftovers(world.paths)
    for entry, words in {
        "8080:1": "port 8080/tcp on 0.0.0.0 is in use by container web",
        "127.0.0.1:8080:1": "port 8080/tcp on 127.0.0.1 is in use by container web",
        "9090:1": "port 9090/tcp on 0.0.0.0 is in use by another program",
        "127.0.0.1:9090:1": "port 9090/tcp on 127.0.0.1 is in use by another program",
        "192.0.2.77:80:80": "this host does not have that address",
    }.items():
        with pytest.raises(Conflict, match=words):
            attach.reserve(world.paths, ident, "other", "other", parse_ports(["7000:1", entry, "7001:1"]))
        assert leftovers(world.paths) == before
    assert attach.reserve(world.paths, ident, "other", "other", parse_ports(["8080:1/udp", "7000:1"])).ports


def test_ports_that_the_kernel_chooses_differ_and_work(world: World, ask: Ask) -> None:
    web = world.start("web", "1-20")
    numbers = [port.host_port for port in web.attachment.ports]
    assert 0 not in numbers and len(set(numbers)) == 20
    web.serve(7, says="seven")
    assert ask("127.0.0.1", numbers[6]).startswith("seven")


def test_a_stopped_container_gets_its_address_back(world: World) -> None:
    web = world.start("web", "8080:80")
    web.end()
    attach.release(world.paths, web.ident, ended=True)
    again = world.start("web", "8080:80", ident=web.ident)
    assert again.address == web.address


def test_a_container_that_was_never_released_starts_again(world: World, ask: Ask) -> None:
    web = world.start("web", "8080:80")
    again = world.start("web", "8080:80", ident=web.ident)
    again.serve(80, says="again")
    assert ask("127.0.0.1", 8080).startswith("again")
    assert again.address == web.address


def test_leftovers_of_a_container_that_is_gone_are_in_nobodys_way(world: World, ask: Ask) -> None:
    web = world.start("web", "8080:80")
    web.end()
    os.rmdir(world.paths.container(web.ident))
    again = world.start("web", "8080:80")
    again.serve(80, says="again")
    assert again.address == web.address
    assert ask("127.0.0.1", 8080).startswith("again")


def test_a_flushed_firewall_comes_back_with_the_next_container(world: World, ask: Ask, command: Command) -> None:
    web = world.start("web", "8080:80")
    web.serve(80, says="web")
    command("nft", "flush", "ruleset")
    assert ask("127.0.0.1", 8080) == "refused"
    world.start("other")
    assert ask("127.0.0.1", 8080).startswith("web")


def test_repair_mends_what_others_broke(world: World, ask: Ask, command: Command) -> None:
    web = world.start("web", "8080:80")
    gone = world.start("gone")
    web.serve(80, says="web")
    world.outside.serve(80, says="outside")
    assert attach.repair(world.paths) == []
    command("nft", "delete", "table", "ip", world.table)
    command("ip", "link", "delete", world.bridge)
    gone.end()
    os.rmdir(world.paths.container(gone.ident))
    mended = " ".join(attach.repair(world.paths))
    for word in (gone.address, world.bridge, world.table, "link of web"):
        assert word in mended
    assert web.run(lambda: ask(OUTSIDE, 80)) == f"outside {HOST}"
    assert world.outside.run(lambda: ask(HOST, 8080)) == f"web {OUTSIDE}"
    assert attach.repair(world.paths) == []


def test_a_process_that_ended_is_named(world: World) -> None:
    ident = "e" * 64
    os.mkdir(world.paths.container(ident))
    attachment = attach.reserve(world.paths, ident, "web", "web", ())
    box = world.box()
    box.end()
    with pytest.raises(NotFound, match=str(box.pid)):
        attach.connect(world.paths, attachment, box.pid)


def test_a_link_that_has_our_bridges_name_is_not_used(world: World, command: Command) -> None:
    command("ip", "link", "add", world.bridge, "type", "veth", "peer", "name", "other")
    with pytest.raises(Damaged, match=world.bridge):
        world.start("web")


def test_fifty_starts_take_little_time_each(world: World, record_property: Callable[[str, object], None]) -> None:
    attach.warm()
    world.start("first")
    boxes = [world.box() for _unused in range(50)]
    took = []
    for number, box in enumerate(boxes):
        ident = os.urandom(32).hex()
        os.mkdir(world.paths.container(ident))
        start = time.perf_counter()
        attachment = attach.reserve(world.paths, ident, f"c{number}", f"h{number}", ())
        attach.connect(world.paths, attachment, box.pid)
        took.append(time.perf_counter() - start)
    record_property("milliseconds", statistics.median(took) * 1000)
    assert statistics.median(took) < 0.03
    assert len({item.address for item in attach.attachments(world.paths)}) == 51


def _reserve(root: str, barrier: Any, found: Any, number: int) -> None:
    from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths

    barrier.wait(10)
    ident = f"{number:064x}"
    os.mkdir(Paths(root).container(ident))
    found.put(attach.reserve(Paths(root), ident, f"c{number}", "same", parse_ports(["80", "81/udp"])).as_dict())


def test_ten_processes_reserve_at_once(world: World) -> None:
    context = multiprocessing.get_context("fork")
    barrier, found = context.Barrier(10), context.Queue()
    workers = [
        context.Process(target=_reserve, args=(world.paths.root, barrier, found, number)) for number in range(10)
    ]
    for worker in workers:
        worker.start()
    given = [found.get(timeout=20) for _unused in workers]
    for worker in workers:
        worker.join(10)
    assert len({item["address"] for item in given}) == 10
    assert len({(port["protocol"], port["host_port"]) for item in given for port in item["ports"]}) == 20


def test_eight_first_containers_at_once(world: World, ask: Ask) -> None:
    boxes = [world.box() for _unused in range(8)]
    context = multiprocessing.get_context("fork")
    barrier, found = context.Barrier(8), context.Queue()

    def work(number: int) -> None:
        ident = str(number) * 64
        os.mkdir(world.paths.container(ident))
        attachment = attach.reserve(world.paths, ident, f"c{number}", "same", parse_ports([f"{8000 + number}:80"]))
        barrier.wait(10)
        attach.connect(world.paths, attachment, boxes[number].pid)
        found.put(number)

    workers = [context.Process(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    assert sorted(found.get(timeout=20) for _unused in workers) == list(range(8))
    for worker in workers:
        worker.join(10)
    for number, box in enumerate(boxes):
        box.serve(80, says=str(number))
    assert [ask("127.0.0.1", 8000 + number).split()[0] for number in range(8)] == [str(number) for number in range(8)]
    assert attach.repair(world.paths) == []


def test_others_that_drop_what_is_forwarded_are_named(world: World, command: Command) -> None:
    world.start("web")
    assert nat.foreign_drops() == []
    command(
        "nft", "add table inet wall; add chain inet wall pass { type filter hook forward priority 0; policy drop; }"
    )
    assert nat.foreign_drops() == ["table wall chain pass"]


def test_without_nft_the_way_out_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nat, "_SEARCH", ("/nowhere",))
    with pytest.raises(MissingDependency, match="install the package nftables"):
        world.start("web")
    assert not any(name.startswith("bv") for name in os.listdir("/proc/self/net/dev_snmp6"))


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_what_the_next_command_mends(world: World, ask: Ask, command: Command) -> None:
    attach.warm()
    world.start("other")
    ident = "d" * 64
    os.mkdir(world.paths.container(ident))
    for attempt in range(40):
        box = world.box()
        pid = os.fork()
        if pid == 0:
            attachment = attach.reserve(world.paths, ident, "web", "web", parse_ports(["8080:80"]))
            attach.connect(world.paths, attachment, box.pid)
            attach.release(world.paths, ident)
            os._exit(0)
        time.sleep(attempt * 0.0007)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    web = world.start("web", "8080:80", ident=ident)
    web.serve(80, says="web")
    assert ask("127.0.0.1", 8080).startswith("web")
    attach.release(world.paths, ident)
    attach.sweep(world.paths, ident)
    assert ident not in "".join(leftovers(world.paths))
    assert "elements" not in world.rules()
    assert links.pair_name(ident) not in host_links(command)
