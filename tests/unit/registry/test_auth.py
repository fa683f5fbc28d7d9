# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is shown a secret, how long a token is used, and what is no token: with a transport that is a table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError, NotPermitted, Refused
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.auth import Credentials, Keys
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.endpoint import endpoint, parse_url
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.transport import Request

ALICE = Credentials(username="alice", password="secret")
SCOPE = "repository:a:pull"


class Reply:
    def __init__(self, status: int = 200, body: bytes = b"", request: Request | None = None, **headers: str) -> None:
        self.status, self._body, self._headers = status, body, headers
        self.request = request or Request(method="GET", origin=parse_url("https://r/")[0], path="/")

    def header(self, name: str) -> str:
        return self._headers.get(name.replace("-", "_"), "")

    def body(self, most: int, what: str) -> bytes:
        return self._body

    def drain(self) -> None:
        return


class Server:
    """Gives what it was told to, and keeps what it was asked."""

    def __init__(self, answer: Any, status: int = 200) -> None:
        self.asked: list[Request] = []
        self.reply = Reply(status, answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def ask(self, request: Request) -> Reply:
        self.asked.append(request)
        return self.reply


def keys(
    server: Server, credentials: Credentials = ALICE, registry: str = "registry.example", now: list[float] | None = None
) -> Keys:
    moment = now or [0.0]
    return Keys(endpoint(registry), credentials, server, clock=lambda: moment[0])  # type: ignore[arg-type]


def challenged(text: str, request: Request | None = None) -> Any:
    return Reply(401, request=request, WWW_Authenticate=text)


def learn(held: Keys, text: str, registry: str = "registry.example") -> bool:
    return held.learn(challenged(text), endpoint(registry).origin, SCOPE)


def test_nothing_is_shown_before_it_is_asked_for() -> None:
    assert keys(Server({})).header(SCOPE) == ""


def test_basic() -> None:
    held = keys(Server({}))
    assert learn(held, 'Basic realm="x"')
    assert held.header(SCOPE) == "Basic YWxpY2U6c2VjcmV0"
    again = challenged(
        'Basic realm="x"', Request(method="GET", origin=parse_url("https://r/")[0], path="/", authorization="Basic x")
    )
    assert not held.learn(again, endpoint("registry.example").origin, SCOPE)
    assert not learn(keys(Server({}), Credentials()), "Basic")


def test_a_token_is_asked_with_service_scope_and_user_and_used_until_shortly_before_its_end() -> None:
    now, server = [100.0], Server({"token": "T", "expires_in": 200})
    held = keys(server, now=now)
    assert learn(held, 'Bearer realm="https://auth.example/token?x=1",service="s",scope="repository:a:pull"')
    (asked,) = server.asked
    assert f"{asked.origin}{asked.path}" == (
        "https://auth.example/token?x=1&account=alice&service=s&scope=repository%3Aa%3Apull"
    )
    assert asked.authorization == ALICE.basic
    assert held.header(SCOPE) == "Bearer T" and held.header("repository:b:pull") == ""
    now[0] += 179
    assert held.header(SCOPE) == "Bearer T"
    now[0] += 2
    assert held.header(SCOPE) == ""


def test_nobody_asks_without_a_name() -> None:
    server = Server({"access_token": "T"})
    held = keys(server, Credentials())
    assert learn(held, 'Bearer realm="https://auth.example/t"') and held.header(SCOPE) == "Bearer T"
    assert "account" not in server.asked[0].path and not server.asked[0].authorization


def test_an_identity_token_goes_by_post() -> None:
    server = Server({"access_token": "T"})
    held = keys(server, Credentials(token="IDENT"))
    assert learn(held, 'Bearer realm="https://auth.example/t"')
    (asked,) = server.asked
    assert asked.method == "POST" and b"refresh_token=IDENT" in bytes(asked.body) and not asked.authorization  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("registry.example", "http://registry.example/t"),
        ("registry.example", "http://auth.example/t"),
        ("registry.example", "http://localhost/t"),
        ("registry.example", "ftp://auth.example/t"),
        ("registry.example", "https://u:p@auth.example/t"),
        ("registry.example", ""),
        ("http://registry.example:5000", "http://registry.example:5001/t"),
    ],
)
def test_no_password_goes_in_the_clear_or_nowhere(registry: str, realm: str) -> None:
    server = Server({"token": "T"})
    with pytest.raises(Refused):
        learn(keys(server, registry=registry), f'Bearer realm="{realm}"', registry)
    assert not server.asked


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("https://localhost:5000", "http://127.0.0.1:5001/t"),
        ("http://registry.example:5000", "http://registry.example:5000/t"),
        ("registry.example", "https://registry.example/t"),
    ],
)
def test_the_registry_itself_and_this_host_may_do_without_tls(registry: str, realm: str) -> None:
    assert learn(keys(Server({"token": "T"}), registry=registry), f'Bearer realm="{realm}"', registry)


def test_a_foreign_token_server_is_told_of_when_it_was_shown_a_password() -> None:
    held = keys(Server({"token": "T"}))
    learn(held, 'Bearer realm="https://auth.registry.example/t"')
    assert held.warnings == []
    for _unused in range(2):
        learn(held, 'Bearer realm="https://evil.test/t"')
    (warning,) = held.warnings
    assert "evil.test" in warning and "secret" not in warning
    nobody = keys(Server({"token": "T"}), Credentials())
    learn(nobody, 'Bearer realm="https://evil.test/t"')
    assert nobody.warnings == []


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"{",
        {},
        {"token": ""},
        {"token": 5},
        {"token": "a b"},
        {"token": "a\r\nX: y"},
        {"token": "é"},
        {"token": "x" * 40000},
    ],
)
def test_no_token(answer: Any) -> None:
    with pytest.raises(Refused):
        learn(keys(Server(answer)), 'Bearer realm="https://auth.example/t"')


@pytest.mark.parametrize("lasts", [True, "60", -5, 0, None, 1e300])
def test_a_token_that_says_no_time_lasts_a_minute(lasts: object) -> None:
    now = [0.0]
    held = keys(Server({"token": "T", "expires_in": lasts}), now=now)
    learn(held, 'Bearer realm="https://auth.example/t"')
    now[0] = 53
    assert held.header(SCOPE)
    now[0] = 55
    assert not held.header(SCOPE)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_a_token_that_is_not_given_is_a_sentence_without_the_password(status: int) -> None:
    with pytest.raises(EngineError) as caught:
        learn(keys(Server({}, status)), 'Bearer realm="https://auth.example/t"')
    assert "secret" not in str(caught.value) and "registry.example" in str(caught.value)
    assert isinstance(caught.value, NotPermitted) == (status in (400, 401, 403))


@pytest.mark.parametrize("header", ["", "Negotiate", "realm=x"])
def test_what_is_not_known_is_not_answered(header: str) -> None:
    assert not learn(keys(Server({})), header)
