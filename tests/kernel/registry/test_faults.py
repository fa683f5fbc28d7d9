# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry that does wrong: every fault is recovered from in at most five tries or is one plain sentence, and no secret leaves."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    EngineError,
    NotFound,
    NotPermitted,
    Refused,
    Unreachable,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.auth import Credentials
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.client import Client
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.endpoint import endpoint
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.tls import Trust
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.transport import (
    Patience,
    Transport,
)
from ansible_collections.berth.containers.tests.kernel.registry.servers import (
    PASSWORD,
    USER,
    Authority,
    Faulty,
    Handler,
    an_image,
    digest_of,
    serving,
)

CONTENT = os.urandom(3 << 20)
DIGEST = digest_of(CONTENT)
ALICE = Credentials(username=USER, password=PASSWORD)
NOBODY, TRUST = Credentials(), Trust()
BASIC = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


@pytest.fixture
def registry() -> Iterator[Faulty]:
    with serving(Faulty()) as found:
        found.blobs[DIGEST] = CONTENT
        found.hold(an_image(b"x"))
        yield found


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


class Asking:
    """A client that does not sleep, and says how long it would have."""

    def __init__(
        self, name: str, credentials: Credentials = NOBODY, *, trust: Trust = TRUST, plain: bool = True,
        environment: dict[str, str] | None = None, window: float = 60.0, **patience: Any,
    ) -> None:  # fmt: skip
        self.slept: list[float] = []
        transport = Transport(trust, environment or {}, patience=Patience(**patience), sleep=self.slept.append)
        self.client = Client(endpoint(name, plain_http=plain), credentials, transport, window=window)

    def blob(self, digest: str = DIGEST, size: int = len(CONTENT)) -> bytes:
        return b"".join(self.client.blob("a/b", digest, size))


def times(count: int, act: Any) -> Any:
    """`act` for the first `count` requests, then nothing."""
    left = [count]

    def fault(handler: Handler) -> bool:
        if not left[0]:
            return False
        left[0] -= 1
        act(handler)
        return True

    return fault


def test_a_blob_that_is_cut_goes_on_where_it_was(registry: Faulty) -> None:
    cuts = iter((1 << 20, 1_000_000))

    def fault(handler: Handler) -> bool:
        cut = next(cuts, None)
        if cut is None:
            return False
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        kind = {"Content_Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if start else {}
        handler.say(206 if start else 200, CONTENT[start:], cut=cut, **kind)
        return True

    registry.fault = fault
    assert Asking(registry.name).blob() == CONTENT
    starts = [int(one.headers.get("range", "bytes=0-")[6:-1]) for one in registry.asked]
    assert starts == [0, 1 << 20, (1 << 20) + 1_000_000]


def test_a_registry_without_ranges_is_read_over(registry: Faulty) -> None:
    registry.ranges = False
    registry.fault = times(1, lambda handler: handler.say(200, CONTENT, cut=2_000_000))
    assert Asking(registry.name).blob() == CONTENT


def test_a_blob_that_never_gets_far_ends_after_five_tries(registry: Faulty) -> None:
    registry.fault = times(99, lambda handler: handler.say(200, CONTENT, cut=10))
    asking = Asking(registry.name)
    with pytest.raises(Unreachable, match=r"broke.*10 of 3145728 bytes"):
        asking.blob()
    assert len(registry.asked) == 5 and len(asking.slept) == 4


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_a_blob_of_another_length_is_refused_before_it_is_read(registry: Faulty, size: int) -> None:
    with pytest.raises(Refused, match="3145728 bytes"):
        Asking(registry.name).blob(size=size)
    assert len(registry.asked) == 1


def test_a_blob_without_a_length_is_cut_off(registry: Faulty) -> None:
    def endless(handler: Handler) -> None:
        handler.close_connection = True
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(1 << 16))

    registry.fault = times(1, endless)
    with pytest.raises(Refused, match="more than the 100000 bytes"):
        Asking(registry.name).blob(size=100_000)


def test_another_part_than_asked_for_is_refused(registry: Faulty) -> None:
    def fault(handler: Handler) -> bool:
        if "Range" not in handler.headers:
            handler.say(200, CONTENT, cut=1000)
        else:
            handler.say(206, CONTENT, Content_Range=f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}")
        return True

    registry.fault = fault
    with pytest.raises(Refused, match="another part"):
        Asking(registry.name).blob()


def test_busy_registries_are_asked_again_when_they_say(registry: Faulty) -> None:
    registry.fault = times(2, lambda handler: handler.say(429, b"later", Retry_After="7"))
    asking = Asking(registry.name)
    assert asking.blob() == CONTENT and asking.slept == [7.0, 7.0]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_failing_registries_are_asked_again_with_longer_pauses(registry: Faulty, status: int) -> None:
    registry.fault = times(3, lambda handler: handler.say(status))
    asking = Asking(registry.name)
    assert asking.blob() == CONTENT
    assert [round(pause / 1.5) for pause in asking.slept] == [0, 1, 1] or [int(p) for p in asking.slept] == [0, 1, 2]


@pytest.mark.parametrize(("status", "word"), [(429, "too many requests"), (500, "status 500")])
def test_what_never_ends_ends_after_five_tries(registry: Faulty, status: int, word: str) -> None:
    registry.fault = times(99, lambda handler: handler.say(status))
    with pytest.raises(Unreachable, match=f"a/b@{DIGEST}: .*{word}"):
        Asking(registry.name).blob()
    assert len(registry.asked) == 5


def test_nobody_waits_for_an_hour(registry: Faulty) -> None:
    registry.fault = times(99, lambda handler: handler.say(429, Retry_After="3600"))
    asking = Asking(registry.name)
    with pytest.raises(Unreachable, match="'3600' is asked for"):
        asking.blob()
    assert len(registry.asked) == 1 and not asking.slept


def test_silence_has_an_end(registry: Faulty) -> None:
    registry.fault = times(99, lambda _unused: time.sleep(0.5))
    start = time.monotonic()
    with pytest.raises(Unreachable, match=r"did not answer within 0.05 s \(tried 5 times\)"):
        Asking(registry.name, read=0.05).client.head("a/b", "1")
    assert time.monotonic() - start < 3


def test_a_trickle_is_a_break(registry: Faulty) -> None:
    def trickle(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        for at in range(200):
            handler.wfile.write(CONTENT[at : at + 1])
            time.sleep(0.01)

    registry.fault = times(1, trickle)
    start = time.monotonic()
    assert Asking(registry.name, window=0.2).blob() == CONTENT
    assert time.monotonic() - start < 1.5 and len(registry.asked) == 2


def test_a_manifest_is_what_its_digest_says(registry: Faulty) -> None:
    asking, data = Asking(registry.name), registry.manifests["1"][1]
    assert asking.client.manifest("a/b", "1").data == data
    for reference in (digest_of(b"other"), "2"):
        registry.manifests[reference] = ("application/vnd.oci.image.manifest.v1+json", data + b" ")
    with pytest.raises(Refused, match="with the digest"):
        asking.client.manifest("a/b", digest_of(b"other"))
    registry.fault = times(1, lambda handler: handler.say(200, data, Docker_Content_Digest=digest_of(b"other")))
    with pytest.raises(Refused, match="with the digest"):
        asking.client.manifest("a/b", "2")


def test_a_huge_manifest_is_not_read(registry: Faulty) -> None:
    registry.fault = times(1, lambda handler: handler.say(200, bytes(5 << 20)))
    with pytest.raises(Refused, match="more than 4194304 bytes"):
        Asking(registry.name).client.manifest("a/b", "1")


def test_a_manifest_that_is_cut_is_asked_for_again(registry: Faulty) -> None:
    data = registry.manifests["1"][1]
    registry.fault = times(2, lambda handler: handler.say(200, data, cut=20))
    assert Asking(registry.name).client.manifest("a/b", "1").data == data


def test_redirects_in_circles(registry: Faulty) -> None:
    registry.fault = times(99, lambda handler: handler.say(307, Location=handler.path))
    with pytest.raises(Refused, match="redirects more than 5 times"):
        Asking(registry.name).blob()
    assert len(registry.asked) == 6


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_other_host_or_port_is_shown_a_secret(registry: Faulty, host: str) -> None:
    with serving(Faulty()) as other:
        other.blobs[DIGEST] = CONTENT
        port = (registry if host == "127.0.0.1" else other).name.rpartition(":")[2]
        seen = registry if host == "127.0.0.1" else other
        registry.wants, registry.challenge = lambda given: given == BASIC, 'Basic realm="x"'

        def fault(handler: Handler) -> bool:
            if handler.headers.get("Authorization") != BASIC or "/there/" in handler.path:
                return "/there/" in handler.path and handler.say(200, CONTENT)
            handler.say(302, Location=f"http://{host}:{port}/v2/there/blobs/{DIGEST}")
            return True

        registry.fault = fault
        assert Asking(registry.name, ALICE).blob() == CONTENT
        (led,) = [one for one in seen.asked if "/there/" in one.path]
        assert "authorization" not in led.headers
        assert [one.headers.get("authorization") for one in registry.asked[:2]] == [None, BASIC]


def test_a_secret_is_not_shown_on_the_way_back(registry: Faulty) -> None:
    with serving(Faulty()) as other:
        registry.wants, registry.challenge = lambda given: given == BASIC, 'Basic realm="x"'
        other.fault = times(1, lambda handler: handler.say(307, Location=f"http://{registry.name}/back"))
        registry.fault = lambda handler: (
            handler.headers.get("Authorization") == BASIC and handler.say(307, Location=f"http://{other.name}/x")
        )
        with pytest.raises(EngineError):
            Asking(registry.name, ALICE).blob()
        assert [one.headers.get("authorization") for one in registry.asked if one.path == "/back"] == [None]


def test_from_tls_to_plain_is_refused(registry: Faulty, authority: Authority) -> None:
    with serving(Faulty(), authority.context()) as secure:
        secure.fault = times(99, lambda handler: handler.say(302, Location=f"http://{registry.name}{handler.path}"))
        with pytest.raises(Refused, match="from https to http"):
            Asking(secure.name, trust=Trust(ca_cert=authority.ca_cert), plain=False).blob()
    assert not registry.asked


def test_a_token_that_ends_in_the_middle_is_replaced(registry: Faulty) -> None:
    image = an_image(b"one", b"two")
    registry.hold(image, "two")
    valid = ["T1"]
    registry.wants = lambda given: given == f"Bearer {valid[0]}"
    with serving(Faulty()) as tokens:
        registry.challenge = f'Bearer realm="http://{tokens.name}/token",service="s",scope="repository:a/b:pull"'
        tokens.fault = lambda handler: handler.say(200, json.dumps({"token": valid[0], "expires_in": 300}).encode())
        asking = Asking(registry.name, ALICE)
        assert asking.client.manifest("a/b", "two").digest == image.digest
        valid[0] = "T2"
        for layer in image.layers:
            assert asking.blob(layer, len(image.blobs[layer])) == image.blobs[layer]
        assert len(tokens.asked) == 2
        assert [one.headers.get("authorization") for one in tokens.asked] == [BASIC, BASIC]
        assert BASIC not in [one.headers.get("authorization") for one in registry.asked]


def test_a_registry_that_believes_no_token_is_asked_twice(registry: Faulty) -> None:
    registry.wants = lambda _unused: False
    with serving(Faulty()) as tokens:
        registry.challenge = f'Bearer realm="http://{tokens.name}/token",service="s"'
        tokens.fault = lambda handler: handler.say(200, b'{"token":"T"}')
        with pytest.raises(NotPermitted, match="check the user's rights"):
            Asking(registry.name, ALICE).blob()
    assert len(registry.asked) == 2 and len(tokens.asked) == 1


def test_wrong_passwords_and_none(registry: Faulty) -> None:
    registry.wants, registry.challenge = lambda given: given == BASIC, 'Basic realm="x"'
    for credentials, way_out in ((Credentials(), "berth login"), (ALICE.replace(password="wrong-one"), "rights")):
        with pytest.raises(NotPermitted, match=way_out) as caught:
            Asking(registry.name, credentials).client.manifest("a/b", "1")
        assert registry.name in str(caught.value) and "wrong-one" not in str(caught.value)


def test_what_a_registry_says_is_harmless(registry: Faulty) -> None:
    with pytest.raises(NotFound) as caught:
        Asking(registry.name).client.manifest("a/b", "none")
    assert "a/b:none: not found there (unknown\\x1b[31m)" in str(caught.value)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        name = f"127.0.0.1:{free.getsockname()[1]}"
    asking = Asking(name)
    with pytest.raises(Unreachable, match=f"no connection to {name}: connection refused"):
        asking.client.manifest("a/b", "1")
    assert len(asking.slept) == 1
    with pytest.raises(Unreachable, match=r"'nowhere.invalid' can't be resolved"):
        Asking("nowhere.invalid").client.manifest("a/b", "1")


def test_tls_is_verified(authority: Authority) -> None:
    with serving(Faulty(), authority.context()) as secure:
        secure.blobs[DIGEST] = CONTENT
        with pytest.raises(Unreachable, match=r"certificate that is not trusted.*ca_cert"):
            Asking(secure.name, plain=False).blob()
        assert not secure.asked
        assert Asking(secure.name, plain=False, trust=Trust(ca_cert=authority.ca_cert)).blob() == CONTENT
        assert Asking(secure.name, plain=False, trust=Trust(validate_certs=False)).blob() == CONTENT
        name = f"[::ffff:127.0.0.1]:{secure.name.rpartition(':')[2]}"
        with pytest.raises(Unreachable, match=r"not trusted: .*IP address mismatch"):
            Asking(name, plain=False, trust=Trust(ca_cert=authority.ca_cert)).blob()


def test_client_certificates(authority: Authority) -> None:
    context = authority.context(client_certs=True)
    with serving(Faulty(), context) as secure:
        secure.blobs[DIGEST] = CONTENT
        trust = Trust(ca_cert=authority.ca_cert)
        with pytest.raises(Unreachable):
            Asking(secure.name, plain=False, trust=trust).blob()
        assert (
            Asking(
                secure.name, plain=False, trust=trust.replace(client_cert=authority.cert, client_key=authority.key)
            ).blob()
            == CONTENT
        )


def test_loopback_without_tls_is_asked_without_and_others_are_not(registry: Faulty) -> None:
    assert Asking(registry.name, plain=False).blob() == CONTENT
    name = f"[::ffff:127.0.0.1]:{registry.name.rpartition(':')[2]}"
    asked = len(registry.asked)
    with pytest.raises(Unreachable, match=r"speaks no TLS: plain_http: true"):
        Asking(name, plain=False).blob()
    assert len(registry.asked) == asked


def test_through_a_proxy(registry: Faulty) -> None:
    data = registry.manifests["1"][1]
    registry.fault = times(1, lambda handler: handler.say(200, data))
    asking = Asking("far.example", environment={"http_proxy": f"http://me:pw@{registry.name}"})
    assert asking.client.manifest("a/b", "1").data == data
    (asked,) = registry.asked
    assert asked.path == "http://far.example/v2/a/b/manifests/1" and asked.headers["host"] == "far.example"
    assert base64.b64decode(asked.headers["proxy-authorization"].removeprefix("Basic ")) == b"me:pw"


def test_a_fork_has_connections_of_its_own(registry: Faulty) -> None:
    asking = Asking(registry.name)
    asking.client.head("a/b", "1")
    children = []
    for _unused in range(3):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if hashlib.sha256(asking.blob()).hexdigest() == DIGEST[7:] else 1)
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0]


def test_a_ca_that_is_in_the_hosts_own_file_is_found(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", authority.ca_cert)
    with serving(Faulty(), authority.context()) as secure:
        secure.blobs[DIGEST] = CONTENT
        assert Asking(secure.name, plain=False).blob() == CONTENT


def test_a_connection_that_always_breaks_is_opened_five_times(registry: Faulty) -> None:
    registry.fault = lambda handler: handler.hang_up()
    with pytest.raises(Unreachable, match=r"broke: .*\(tried 5 times\)"):
        Asking(registry.name).blob()
    assert len(registry.asked) == 5
