# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb container_registry_login: a Docker-compatible auth file holds what opens a registry, or no longer does."""

from __future__ import annotations

import os

from ..answer import Answer
from ..errors import InvalidSpec
from ..plan import Plan, Step
from ..registry import authfile
from ..registry.auth import Credentials
from ..registry.client import Client
from ..registry.endpoint import endpoint
from ..registry.transport import Transport
from .registries import read_access, read_credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths


def container_registry_login(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """`state` present: the credentials are in `authfile` and, unless `verify` is false, the registry takes them; absent: out.

    The result: registry, username, authfile. A password is in no answer; `before` and `after` tell whether it is another one.
    """
    del paths
    state = params.get("state") or "present"
    if state not in ("present", "absent"):
        raise InvalidSpec(f"state: {state!a} is none of present, absent")
    access = read_access(params)
    place = endpoint(params.get("registry") or "docker.io", plain_http=access.plain_http)
    there = authfile.look_up(access.authfile, place.name).credentials
    wanted = Credentials()
    warnings: tuple[str, ...] = ()
    if state == "present":
        wanted = read_credentials(params.get("username"), params.get("password"))
        if not wanted:
            raise InvalidSpec(f"a login at {place.name} needs username and password")
        if params.get("verify") is not False:
            client = Client(place, wanted, Transport(access.trust, os.environ))
            client.check_login()
            warnings = client.warnings
    plan = _plan(access.authfile, place.name, there, wanted)
    if not check:
        plan.apply()
    return Answer(
        changed=plan.changed, before=plan.before, after=plan.after, warnings=warnings,
        result={"registry": place.name, "username": wanted.username, "authfile": access.authfile},
    )  # fmt: skip


def _plan(path: str, registry: str, there: Credentials, wanted: Credentials) -> Plan:
    before, after = _shown(registry, there), _shown(registry, wanted)
    if there == wanted:
        return Plan(before=after, after=after)
    if before == after:
        before["password"], after["password"] = "the former one", "another one"
    step = Step(what=f"write {path}", run=lambda: authfile.store(path, registry, wanted or None))
    return Plan(before=before, after=after, steps=(step,))


def _shown(registry: str, credentials: Credentials) -> dict[str, Any]:
    state = "present" if credentials else "absent"
    return {"registry": registry, "state": state, **({"username": credentials.username} if credentials else {})}
