# SPDX-License-Identifier: GPL-3.0-or-later
"""Answering a registry's challenge: basic or by a bearer token that is kept while it is valid. Secrets are in no sentence."""

from __future__ import annotations

import time

from .. import jsontext
from ..errors import NotPermitted, Refused, Unreachable
from ..values import Value
from . import challenge
from .endpoint import parse_url
from .transport import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .challenge import Challenge
    from .endpoint import Endpoint, Origin
    from .transport import Reply, Transport

_ANSWER = 1 << 20
# Distribution spec, token authentication: a token without expires_in lasts a minute.
_LASTS = 60.0
_LONGEST = 1 << 15


class Credentials(Value):
    """A user with a password, or an identity token from an auth file; all empty for nobody."""

    username: str = ""
    password: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.username!r})"

    def __bool__(self) -> bool:
        return bool(self.username or self.token)

    @property
    def basic(self) -> str:
        """The Authorization header's value, RFC 7617."""
        import binascii

        return f"Basic {binascii.b2a_base64(f'{self.username}:{self.password}'.encode(), newline=False).decode()}"


class Keys:
    """What opens one registry: `header` before a request, `learn` when that was answered with 401.

    Tokens are kept by scope until shortly before their end by `clock`, in seconds.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        transport: Transport,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._credentials, self._transport, self._clock = endpoint.name, credentials, transport, clock
        self._basic = False
        self._tokens: dict[str, tuple[str, float]] = {}
        self._warned: set[str] = set()
        self.warnings: list[str] = []

    def header(self, scope: str) -> str:
        """The Authorization header's value for a request in `scope`; "" when nothing is known to be wanted."""
        if self._basic:
            return self._credentials.basic
        token, until = self._tokens.get(scope, ("", 0.0))
        return f"Bearer {token}" if token and self._clock() < until else ""

    def learn(self, reply: Reply, origin: Origin, scope: str) -> bool:
        """Get ready to ask again after that 401 from `origin`. False when there is nothing more that could be shown."""
        shown = reply.request.authorization
        wanted = {item.scheme: item for item in reversed(challenge.parse(reply.header("WWW-Authenticate")))}
        if "bearer" in wanted:
            self._tokens.pop(scope, None)
            self._tokens[scope] = self._fetch(wanted["bearer"], origin, scope)
            return True
        if "basic" in wanted and self._credentials.username and not shown.startswith("Basic "):
            self._basic = True
            return True
        return False

    def _fetch(self, wanted: Challenge, origin: Origin, scope: str) -> tuple[str, float]:
        realm, path = self._realm(wanted.params.get("realm", ""), origin)
        fields = {"service": wanted.params.get("service", ""), "scope": _joined(wanted.params.get("scope", ""), scope)}
        asked = self._clock()
        reply = self._transport.ask(
            self._token_request(realm, path, {key: text for key, text in fields.items() if text})
        )
        if reply.status in (400, 401, 403):
            reply.drain()
            raise self._not_allowed()
        if reply.status != 200:
            reply.drain()
            raise Unreachable(
                f"the token server {realm.netloc} of registry {self._name} answers {reply.status}: try again later"
            )
        token, lasts = _read_token(reply.body(_ANSWER, f"the token of registry {self._name}"), realm)
        return token, asked + lasts * 0.9

    def _token_request(self, realm: Origin, path: str, fields: dict[str, str]) -> Request:
        from urllib.parse import urlencode

        if self._credentials.token:
            form = {
                **fields,
                "grant_type": "refresh_token",
                "client_id": "berth",
                "refresh_token": self._credentials.token,
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return Request(method="POST", origin=realm, path=path, headers=headers, body=urlencode(form).encode())
        query = urlencode({**({"account": self._credentials.username} if self._credentials else {}), **fields})
        return Request(
            method="GET", origin=realm, path=f"{path}{'&' if '?' in path else '?'}{query}", short=True,
            authorization=self._credentials.basic if self._credentials else "",
        )  # fmt: skip

    def _realm(self, text: str, origin: Origin) -> tuple[Origin, str]:
        """Where tokens come from. Refused when a password would go there in the clear."""
        try:
            realm, path = parse_url(text)
        except ValueError as error:
            raise Refused(f"registry {self._name} names the token server {text[:80]!a}: {error}") from None
        if realm.scheme != "https" and realm != origin and not (realm.is_loopback and origin.is_loopback):
            raise Refused(f"registry {self._name} wants its token asked from {realm}, without TLS: that is not done")
        if self._credentials and _is_foreign(realm.host, origin.host) and realm.netloc not in self._warned:
            self._warned.add(realm.netloc)
            self.warnings.append(
                f"registry {self._name} has its tokens given by {realm.netloc}, which was shown the password"
            )
        return realm, path

    def _not_allowed(self) -> NotPermitted:
        if self._credentials:
            return NotPermitted(
                f"registry {self._name} does not accept the given user and password: check them, or log in again"
            )
        return NotPermitted(f"registry {self._name} wants a user and password: {how_to_log_in(self._name)}")


def how_to_log_in(registry: str) -> str:
    """The way out of a 401."""
    return f"give registry_username and registry_password, or berth login {registry}"


def _joined(asked: str, needed: str) -> str:
    """The scopes of the challenge and what we know we need; each once. The registry may not know what comes next."""
    return " ".join(dict.fromkeys([*asked.split(), *needed.split()]))


def _is_foreign(realm: str, registry: str) -> bool:
    """Whether two hosts share no domain: auth.docker.io and registry-1.docker.io share one."""
    return realm != registry and realm.split(".")[-2:] != registry.split(".")[-2:]


def _read_token(data: bytes, realm: Origin) -> tuple[str, float]:
    """The token and the seconds that it lasts."""
    try:
        found = jsontext.loads(data)
    except (ValueError, RecursionError):
        found = None
    found = found if isinstance(found, dict) else {}
    token = found.get("token") or found.get("access_token")
    if (
        not isinstance(token, str)
        or not 0 < len(token) <= _LONGEST
        or not (token.isascii() and token.isprintable())
        or " " in token
    ):
        raise Refused(f"the token server {realm.netloc} answers with no token")
    lasts = found.get("expires_in")
    if isinstance(lasts, bool) or not isinstance(lasts, (int, float)) or not 0 < lasts < 1e9:
        return token, _LASTS
    return token, float(lasts)
