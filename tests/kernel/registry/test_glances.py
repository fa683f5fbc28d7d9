# SPDX-License-Identifier: GPL-3.0-or-later
"""What is short goes without urllib3, by the same rules: secrets stay at home, TLS is verified, breaks are named or made good."""

from __future__ import annotations

import io
import json
import pathlib
import time
from collections.abc import Iterator
from functools import partial

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import NotPermitted, Refused, Unreachable
from ansible_collections.berth.containers.plugins.module_utils._engine.registry import pools, upload
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.faults import Broken
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.tls import Trust
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.transport import SMALL
from ansible_collections.berth.containers.tests.kernel.registry.servers import (
    Authority,
    Faulty,
    Handler,
    an_image,
    digest_of,
    docker_registry,
    serving,
)
from ansible_collections.berth.containers.tests.kernel.registry.test_faults import ALICE, BASIC, Asking, times

IMAGE = an_image(b"x")
BLOB = next(iter(IMAGE.blobs))


@pytest.fixture
def registry() -> Iterator[Faulty]:
    with serving(Faulty()) as found:
        found.hold(IMAGE)
        yield found


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def test_one_connection_is_enough(registry: Faulty) -> None:
    places = set()

    def note(handler: Handler) -> bool:
        places.add(handler.client_address)
        return False

    registry.fault = note
    asking = Asking(registry.name)
    assert [asking.client.has_blob("a/b", digest) for digest in (BLOB, digest_of(b"none"), BLOB)] == [True, False, True]
    assert len(places) == 1 and not pools.is_open()


def test_a_connection_that_ended_meanwhile_is_replaced(registry: Faulty) -> None:
    registry.fault = times(1, lambda handler: handler.say(200) and handler.hang_up())
    asking = Asking(registry.name)
    assert asking.client.has_blob("a/b", BLOB)
    time.sleep(0.2)  # until the end has come, too
    assert asking.client.has_blob("a/b", BLOB)
    assert len(registry.asked) == 2 and not asking.slept and not pools.is_open()


def test_busy_registries_are_asked_again_when_they_say(registry: Faulty) -> None:
    registry.fault = times(2, lambda handler: handler.say(429, Retry_After="7"))
    asking = Asking(registry.name)
    assert asking.client.has_blob("a/b", BLOB) and asking.slept == [7.0, 7.0] and not pools.is_open()


def test_redirects_in_circles(registry: Faulty) -> None:
    registry.fault = times(99, lambda handler: handler.say(307, Location=handler.path))
    with pytest.raises(Refused, match="redirects more than 5 times"):
        Asking(registry.name).client.has_blob("a/b", BLOB)
    assert len(registry.asked) == 6 and not pools.is_open()


def test_no_other_host_is_shown_a_secret_and_none_on_the_way_back(registry: Faulty) -> None:
    with serving(Faulty()) as other:
        registry.wants, registry.challenge = lambda given: given == BASIC, 'Basic realm="x"'
        registry.fault = lambda handler: (
            handler.headers.get("Authorization") == BASIC and handler.say(307, Location=f"http://{other.name}/x")
        )
        other.fault = times(1, lambda handler: handler.say(307, Location=f"http://{registry.name}/back"))
        with pytest.raises(NotPermitted):
            Asking(registry.name, ALICE).client.has_blob("a/b", BLOB)
    assert [one.headers.get("authorization") for one in other.asked] == [None]
    assert [one.headers.get("authorization") for one in registry.asked if one.path == "/back"] == [None]
    assert not pools.is_open()


def test_a_token_is_asked_for_and_shown(registry: Faulty) -> None:
    registry.wants = lambda given: given == "Bearer T1"
    with serving(Faulty()) as tokens:
        registry.challenge = f'Bearer realm="http://{tokens.name}/token",service="s",scope="repository:a/b:pull,push"'
        tokens.fault = lambda handler: handler.say(200, json.dumps({"token": "T1", "expires_in": 300}).encode())
        assert Asking(registry.name, ALICE).client.has_blob("a/b", BLOB)
        assert [one.headers.get("authorization") for one in tokens.asked] == [BASIC]
    assert [one.headers.get("authorization") for one in registry.asked] == [None, "Bearer T1"]
    assert not pools.is_open()


def test_tls_is_verified(authority: Authority) -> None:
    with serving(Faulty(), authority.context()) as secure:
        secure.hold(IMAGE)
        with pytest.raises(Unreachable, match=r"certificate that is not trusted.*ca_cert"):
            Asking(secure.name, plain=False).client.has_blob("a/b", BLOB)
        assert not secure.asked
        name = f"[::ffff:127.0.0.1]:{secure.name.rpartition(':')[2]}"
        with pytest.raises(Unreachable, match=r"not trusted: .*IP address mismatch"):
            Asking(name, plain=False, trust=Trust(ca_cert=authority.ca_cert)).client.has_blob("a/b", BLOB)


@pytest.mark.parametrize("validate", [True, False])
def test_tls_is_spoken_without_urllib3(authority: Authority, validate: bool) -> None:
    with serving(Faulty(), authority.context()) as secure:
        secure.hold(IMAGE)
        trust = Trust(ca_cert=authority.ca_cert) if validate else Trust(validate_certs=False)
        asking = Asking(secure.name, plain=False, trust=trust)
        assert asking.client.has_blob("a/b", BLOB) and asking.client.has_blob("a/b", BLOB)
    assert asking.client.endpoint.origin.scheme == "https" and not pools.is_open()


def test_a_registry_with_tls_that_hears_plain_words_is_asked_with_tls(
    authority: Authority, tmp_path: pathlib.Path
) -> None:
    with docker_registry(tmp_path / "registry", authority) as name:
        asking = Asking(name, plain=False, trust=Trust(validate_certs=False))
        assert asking.client.head("a/b", "1") is None and asking.client.endpoint.origin.scheme == "https"
    assert not asking.slept


def test_whom_one_has_a_certificate_for_is_not_asked_in_plain(registry: Faulty, authority: Authority) -> None:
    asking = Asking(registry.name, plain=False, trust=Trust(ca_cert=authority.ca_cert))
    assert asking.client.head("a/b", "1") is not None
    assert len(registry.asked) == 1  # after a handshake that failed
    registry.asked.clear()
    assert Asking(registry.name, plain=False).client.head("a/b", "1") is not None
    assert len(registry.asked) == 1


@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 503])
def test_who_does_not_sound_like_a_registry_in_plain_is_asked_with_tls_first(registry: Faulty, status: int) -> None:
    registry.fault = times(1, lambda handler: handler.say(status, Location=f"http://{registry.name}/elsewhere"))
    asking = Asking(registry.name, plain=False)
    assert asking.client.head("a/b", "1") is not None
    # No TLS is spoken there, so that it was asked in plain again, and not led elsewhere.
    assert [one.path for one in registry.asked] == ["/v2/a/b/manifests/1"] * 2 and not asking.slept


def test_nothing_is_said_in_plain_to_another_host(registry: Faulty) -> None:
    name = f"[::ffff:127.0.0.1]:{registry.name.rpartition(':')[2]}"
    with pytest.raises(Unreachable, match=r"speaks no TLS: plain_http: true"):
        Asking(name, plain=False).client.head("a/b", "1")
    assert not registry.asked


def test_a_password_is_shown_in_plain_when_it_is_wanted_there(registry: Faulty) -> None:
    registry.wants, registry.challenge = lambda given: given == BASIC, 'Basic realm="x"'
    assert Asking(registry.name, ALICE, plain=False).client.head("a/b", "1") is not None
    assert [one.headers.get("authorization") for one in registry.asked] == [None, BASIC]


def test_silence_has_an_end_and_is_not_waited_for_twice(registry: Faulty) -> None:
    registry.fault = times(99, lambda _handler: time.sleep(0.5))
    start = time.monotonic()
    with pytest.raises(Unreachable, match=r"did not answer within 0\.2 s \(tried 3 times\)"):
        Asking(registry.name, read=0.2, tries=3).client.has_blob("a/b", BLOB)
    assert time.monotonic() - start < 1.5 and len(registry.asked) <= 3 and not pools.is_open()


def test_who_says_nothing_in_plain_is_asked_with_tls(registry: Faulty) -> None:
    registry.fault = times(1, lambda _handler: time.sleep(0.5))
    asking = Asking(registry.name, plain=False, glance=0.2)
    assert asking.client.head("a/b", "1") is not None and not asking.slept


def test_what_changes_something_is_not_asked_twice(registry: Faulty) -> None:
    registry.fault = times(1, lambda handler: handler.hang_up())
    with pytest.raises(Broken, match="broke: it ended before the answer did"):
        Asking(registry.name).client.ask("PUT", "/v2/x", "", "x", body=b"abc", tries=1)
    assert len(registry.asked) == 1 and not pools.is_open()


def _open_zeros(size: int, offset: int) -> io.BytesIO:
    return io.BytesIO(bytes(size - offset))


def test_a_large_body_is_left_to_urllib3(registry: Faulty) -> None:
    seen = []

    def take(handler: Handler) -> bool:
        if handler.command == "PUT":
            seen.append(len(handler.rfile.read(int(handler.headers["Content-Length"]))))
            return handler.say(201)
        return handler.command == "POST" and handler.say(202, Location="/v2/x/uploads/1")

    registry.fault = take
    client = Asking(registry.name).client
    for size in (SMALL, SMALL + 1):
        upload.put_blob(client, "x", digest_of(b""), size, partial(_open_zeros, size))
        assert pools.is_open() == (size > SMALL)
    assert seen == [SMALL, SMALL + 1]
