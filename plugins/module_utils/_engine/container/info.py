# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to know of a container, for modules, the command line and other programs: one shape for all of them."""

from __future__ import annotations

from ..answer import Answer
from ..errors import Damaged, NotFound
from ..network import attach
from ..network.ports import show_port
from ..paths import Paths
from ..runtime.logfile import timestamp
from . import record as records
from .confinement import confinement_of
from .processes import hostname_of
from .record import Record
from .spec import opinions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def describe(paths: Paths, record: Record) -> dict[str, Any]:
    """`spec` is what was asked for, without what nobody said; `state`, `network` and `ports` are what is now.

    Times are RFC 3339, "" for never.
    """
    now = record.state(paths)
    place = attach.attachment_of(paths, record.id) if now.status == "running" else None
    return {
        "id": record.id,
        "name": record.name,
        "image": record.image,
        "image_digest": record.image_digest,
        "created": _time(record.created),
        "hostname": hostname_of(record),
        "labels": dict(record.spec.labels),
        "spec": opinions(record.spec),
        "state": {
            "status": now.shown,
            "running": now.status == "running",
            "paused": now.paused,
            "pid": now.pid,
            "exit_code": now.exit_code,
            "oom_killed": now.oom_killed,
            "error": now.error,
            "started_at": _time(now.started_at),
            "finished_at": _time(now.finished_at),
        },
        "network": {
            "mode": record.spec.network_mode,
            "address": place.address if place else "",
            "prefix": place.prefix if place else 0,
            "gateway": place.gateway if place else "",
            "mac": place.mac if place else "",
            "bridge": place.bridge if place else "",
        },
        "ports": [show_port(port) for port in place.ports] if place else [],
        "userns_start": record.id_start,
        "security": confinement_of(record),
        "cgroup": f"{record.group(paths)}/{record.id}",
        "log_path": f"{paths.container(record.id)}/logs/container.log",
        "upper": f"{paths.container(record.id)}/upper",
    }


def container_info(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """All containers, or those in `name` (a list); one that is not there is left out, as facts modules do.

    With `stats` each has a key more, what it has used so far: None for one that does not run.
    """
    found: list[dict[str, Any]] = []
    damaged: list[Damaged] = []
    for record in _chosen(paths, params.get("name"), damaged):
        found.append(describe(paths, record))
        if params.get("stats"):
            from .stats import stats_of

            found[-1]["stats"] = stats_of(paths, record)
    return Answer(result={"containers": found}, warnings=tuple(map(str, damaged)))


def _chosen(paths: Paths, wanted: Any, damaged: list[Damaged]) -> Iterator[Record]:
    if not wanted:
        yield from records.every(paths, damaged=damaged)
        return
    for reference in [wanted] if isinstance(wanted, str) else wanted:
        try:
            yield records.find(paths, str(reference))
        except NotFound:
            continue


def _time(seconds: float) -> str:
    return timestamp(int(seconds * 1e9)) if seconds else ""
