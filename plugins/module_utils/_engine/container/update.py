# SPDX-License-Identifier: GPL-3.0-or-later
"""Other limits for a container that is there, whether it runs or not; what is not said stays as it is."""

from __future__ import annotations

import contextlib

from ..cgroup import group, hierarchy
from ..errors import EngineError, InvalidSpec
from . import record as records
from .normalise import normalise
from .resources import check, in_words_of, resources_of
from .spec import Spec, differences, opinions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..paths import Paths
    from .record import Record


def change(paths: Paths, record: Record, params: Mapping[str, Any]) -> bool:
    """Apply `params` on top of the container's spec; whether anything differed. InvalidSpec for what takes a new container."""
    wanted = normalise({**opinions(record.spec), **params})
    changed = differences(wanted, record.spec)
    if set(changed) - set(Spec._live):
        raise InvalidSpec(
            f"{', '.join(changed)} of container {record.name} can't change while it is there: make it anew"
        )
    if changed:
        check(wanted, hierarchy.mounted())
        update(paths, record, wanted)
    return bool(changed)


def update(paths: Paths, record: Record, wanted: Spec) -> None:
    """Change live fields: what holds a container that runs first, then the record, which is right whatever the kernel refuses."""
    with records.lock(paths, record):
        current = record.replace(spec=record.spec.replace(**{name: getattr(wanted, name) for name in Spec._live}))
        if current.state(paths).status in ("running", "paused"):
            _hold(paths, record, current)
        records.write(current, paths.container(record.id))


def _hold(paths: Paths, record: Record, current: Record) -> None:
    here, parent = hierarchy.mounted(), record.group(paths)
    before, after = resources_of(record.spec), resources_of(current.spec)
    try:
        group.update(here, parent, record.id, after, before)
    except EngineError as error:
        with contextlib.suppress(EngineError):
            group.update(here, parent, record.id, before, after)
        raise in_words_of(current.spec, error) from error
