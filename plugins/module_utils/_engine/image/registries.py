# SPDX-License-Identifier: GPL-3.0-or-later
"""The options by which images come and go over the net, and the registries that they lead to."""

from __future__ import annotations

import os

from ..errors import InvalidSpec
from ..registry import authfile, endpoint
from ..registry.auth import Credentials
from ..registry.client import Client
from ..registry.tls import Trust
from ..registry.transport import Patience, Transport
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..registry.endpoint import Endpoint

_HASTE = Patience(tries=2, connect=5.0, read=15.0, longest=5.0)
_PATHS = ("ca_cert", "client_cert", "client_key")


class Access(Value):
    """How to ask registries. `credentials` are for the one that the image's name names, never for a mirror."""

    trust: Trust = Trust()
    credentials: Credentials = Credentials()
    authfile: str = ""
    plain_http: bool = False
    mirrors: tuple[str, ...] = ()


def read_access(params: dict[str, Any]) -> Access:
    """InvalidSpec for options that make no sense."""
    paths = {option: _path(params.get(option), option) for option in _PATHS}
    validate = params.get("validate_certs")
    mirrors = params.get("mirrors") or ()
    if isinstance(mirrors, str) or not all(isinstance(item, str) for item in mirrors):
        raise InvalidSpec(f"mirrors: {mirrors!a} is no list of hosts")
    return Access(
        trust=Trust(validate_certs=validate is None or bool(validate), **paths),
        credentials=read_credentials(params.get("registry_username"), params.get("registry_password")),
        authfile=_path(params.get("authfile"), "authfile") or authfile.default_path(os.environ),
        plain_http=bool(params.get("plain_http")),
        mirrors=tuple(mirrors),
    )


def read_credentials(username: object, password: object) -> Credentials:
    """Both, or none. A password is never in a sentence."""
    if username is None and password is None:
        return Credentials()
    if not isinstance(username, str) or not isinstance(password, str) or not username or ":" in username:
        raise InvalidSpec("a registry wants a user (without a colon) and a password: give both of them, or none")
    return Credentials(username=username, password=password)


class Registries:
    """The clients for one repository: mirrors first, the registry itself last. `warnings` grows while they are asked."""

    def __init__(self, access: Access, repository: str, *, mirrors: bool = True) -> None:
        registry, self.repository = endpoint.split(repository)
        transport = Transport(access.trust, os.environ)
        # Whoever waits for one that is ill could have had it elsewhere. This host's certificate is for the registry, too.
        nobody = access.trust.replace(client_cert=None, client_key=None)
        hasty = Transport(nobody, os.environ, patience=_HASTE) if mirrors and access.mirrors else transport
        self._warnings: list[str] = []
        self.passed: dict[str, str] = {}
        places = [
            endpoint.endpoint(item, plain_http=access.plain_http, option="mirrors")
            for item in access.mirrors
            if mirrors
        ]
        own = endpoint.endpoint(registry, plain_http=access.plain_http, option="name")
        self.clients = [
            *(Client(place, self._stored(access, place), hasty) for place in places),
            Client(own, access.credentials or self._stored(access, own), transport),
        ]

    @property
    def client(self) -> Client:
        """The registry itself."""
        return self.clients[-1]

    @property
    def warnings(self) -> tuple[str, ...]:
        passed = (f"mirror {name} was passed over: {why}" for name, why in self.passed.items())
        told = (text for client in self.clients for text in client.warnings)
        return tuple(dict.fromkeys([*self._warnings, *passed, *told]))

    def pass_over(self, client: Client, why: str) -> None:
        """Ask that mirror no more."""
        if client in self.clients:
            self.clients.remove(client)
        self.learn({client.name: why})

    def learn(self, passed: dict[str, str]) -> None:
        """What another process saw of the same mirrors. Each is told of once."""
        for name, why in passed.items():
            self.passed.setdefault(name, why)

    def _stored(self, access: Access, place: Endpoint) -> Credentials:
        found = authfile.look_up(access.authfile, place.name, self.repository)
        if found.warning:
            self._warnings.append(found.warning)
        return found.credentials


def _path(value: object, option: str) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or "\0" in value:
        raise InvalidSpec(f"{option}: {value!a} is no path")
    return value
