# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user asks of a container, normalised once: the record keeps it, and comparing two is a loop over its fields."""

from __future__ import annotations

from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Spec(Value):
    """Every option as it was asked for, in its one canonical spelling. None: no opinion, the image's or the default holds.

    Sizes are bytes, durations seconds. `volumes` are "source:target:rw|ro", `tmpfs` "target:options", `published_ports`
    "ip:host:container/protocol", `labels`, `env` and `etc_hosts` mappings of strings.
    """

    name: str
    image: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = {}
    user: str | None = None
    working_dir: str | None = None
    hostname: str | None = None
    labels: Mapping[str, str] = {}
    memory: int | None = None
    cpus: float | None = None
    pids_limit: int | None = None
    read_only: bool = False
    tmpfs: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    network_mode: str = "bridge"
    published_ports: tuple[str, ...] = ()
    dns_servers: tuple[str, ...] = ()
    etc_hosts: Mapping[str, str] = {}
    stop_signal: str | None = None
    stop_timeout: float | None = None
    auto_remove: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    userns_mode: str = "auto"
    tty: bool = False
    interactive: bool = False

    # These take effect on a container that runs; any other difference makes it anew.
    _live = ("memory", "cpus", "pids_limit", "labels", "stop_signal", "stop_timeout")


def opinions(spec: Spec) -> dict[str, Any]:
    """What was asked for, as JSON values: the fields that are not what they would be if nobody had said anything."""
    return {name: value for name, value in spec.as_dict().items() if getattr(spec, name) != getattr(Spec, name, None)}


def differences(wanted: Spec, actual: Spec) -> tuple[str, ...]:
    """The names of the fields that differ."""
    return tuple(name for name in Spec._fields if getattr(wanted, name) != getattr(actual, name))


def from_record(fields: dict[str, Any]) -> Spec:
    """The spec that `as_dict` gave to a record; fields that an older engine did not know get their defaults."""
    known = {name: _frozen(fields[name]) for name in Spec._fields if name in fields}
    return Spec(**known)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
