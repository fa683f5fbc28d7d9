# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb container_prune: what nobody needs goes, and the bytes told beforehand are the bytes that come free."""

from __future__ import annotations

import os
import time

from ..answer import Answer
from ..errors import EngineError, InvalidSpec, from_os
from ..storage import collect, layout, staging
from ..storage.disk import Tally, shares_extents
from ..storage.staging import Staging
from ..storage.times import mend
from ..units import parse_duration
from ..values import Value
from .config import SECOND, read_created
from .resolve import read_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths
    from ..storage.layout import Descriptor


class Wish(Value):
    """What may go. `before` is in seconds since the epoch, None for any age; `labels` must all be there, with their values if given."""

    images: bool
    unused: bool
    layers: bool
    staging: bool
    damaged: bool
    before: float | None
    labels: tuple[tuple[str, str | None], ...]


class Pruning(Value):
    """What goes: descriptors, then the paths of blobs and layers, of staging and of what was set aside. `size` is in bytes."""

    images: tuple[Descriptor, ...]
    remaining: tuple[Descriptor, ...]
    parts: tuple[str, ...]
    staged: tuple[str, ...]
    damaged: tuple[str, ...]
    size: int
    warnings: tuple[str, ...]


def container_prune(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """Remove images without a name (`all`: any that no container uses), what no image has, and what dead commands left.

    `until` (24h, or RFC 3339) spares the images that came later; `labels` (key, or key=value) those that lack one. `images`,
    `layers`, `staging` choose the kinds, `damaged` adds what a repair has set aside. Images of containers and what a live
    command works on are never touched. The result has the lists of what went, and `bytes_freed`.
    """
    wish = _read(params, time.time())
    if check:
        with layout.reading(paths):
            return _answer(paths, _look(paths, wish))
    try:
        return _answer(paths, _prune(paths, wish))
    except OSError as error:
        raise from_os(error, f"prune {paths.root}") from error


def _prune(paths: Paths, wish: Wish) -> Pruning:
    with Staging(paths, "prune") as place:
        with layout.changing(paths):
            mend(paths)
            pruning = _look(paths, wish)
            _take_out(paths, pruning, place)
        # Outside the lock: deleting takes its time.
        if pruning.staged:
            staging.remove_dead(paths)
    return pruning


def _read(params: dict[str, Any], now: float) -> Wish:
    flags = {"images": True, "all": False, "layers": True, "staging": True, "damaged": False}
    for key, default in flags.items():
        value = params.get(key)
        if value is not None and not isinstance(value, bool):
            raise InvalidSpec(f"{key}: {value!a} is neither true nor false")
        flags[key] = default if value is None else value
    return Wish(
        images=flags["images"], unused=flags["all"], layers=flags["layers"], staging=flags["staging"],
        damaged=flags["damaged"], before=_until(params.get("until"), now), labels=_labels(params.get("labels")),
    )  # fmt: skip


def _until(text: object, now: float) -> float | None:
    if text is None or text == "":
        return None
    if isinstance(text, str) and "T" in text:
        moment = read_created(text)
        if not moment:
            raise InvalidSpec(
                f"until: {text!a} is no time: write a duration such as 24h, or RFC 3339 in UTC, ending in Z"
            )
        return moment / SECOND
    return now - parse_duration(text, "until")


def _labels(given: object) -> tuple[tuple[str, str | None], ...]:
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)) or not all(isinstance(item, str) and item for item in given):
        raise InvalidSpec(f"labels: {given!a} is no list of labels, such as team=web")
    pairs = (item.partition("=") for item in given)
    return tuple((key, value if equals else None) for key, equals, value in pairs)


def _look(paths: Paths, wish: Wish) -> Pruning:
    descriptors, warnings = layout.read_index(paths), []
    users = collect.used_by_containers(paths)
    going = [item for item in descriptors if wish.images and _may_go(paths, item, users, wish)]
    remaining = [item for item in descriptors if item not in going]
    try:
        parts = collect.unmarked(paths, remaining)
        if not wish.layers:
            spare = set(collect.unmarked(paths, descriptors))
            parts = [path for path in parts if path not in spare]
    except EngineError as error:
        warnings.append(f"blobs and layers are left alone, because it is not known who needs them: {error}")
        parts, going, remaining = [], [], descriptors
    staged = staging.dead(paths) if wish.staging else []
    aside = f"{paths.root}/damaged"
    damaged = sorted(f"{aside}/{name}" for name in os.listdir(aside)) if wish.damaged and os.path.isdir(aside) else []
    tally = Tally(extents=shares_extents(paths.root))
    for path in (*parts, *staged, *damaged):
        tally.add(path)
    return Pruning(
        images=tuple(going), remaining=tuple(remaining), parts=tuple(parts), staged=tuple(staged), damaged=tuple(damaged),
        size=tally.size, warnings=tuple(warnings),
    )  # fmt: skip


def _may_go(paths: Paths, item: Descriptor, users: dict[str, list[str]], wish: Wish) -> bool:
    if item["digest"] in users or (layout.name_of(item) and not wish.unused):
        return False
    if wish.before is None and not wish.labels:
        return True
    try:
        document = read_document(paths, read_document(paths, item["digest"])["config"]["digest"])
        labels = (document.get("config") or {}).get("Labels") or {}
        came = read_created(layout.annotations_of(item).get(layout.ADDED) or document.get("created") or "") / SECOND
    except (EngineError, KeyError, TypeError):
        return False
    old = wish.before is None or came < wish.before
    return old and all(key in labels and value in (None, labels[key]) for key, value in wish.labels)


def _take_out(paths: Paths, pruning: Pruning, place: Staging) -> None:
    if pruning.images:
        layout.write_index(paths, list(pruning.remaining))
    collect.move_out([*pruning.parts, *pruning.damaged], place)


def _answer(paths: Paths, pruning: Pruning) -> Answer:
    lists = {
        "images": [_named(item) for item in pruning.images],
        "layers": _digests(pruning.parts, paths.layers),
        "blobs": _digests(pruning.parts, paths.blobs, f"{paths.root}/derived"),
        "staging": [os.path.basename(path) for path in pruning.staged],
        "damaged": [os.path.basename(path) for path in pruning.damaged],
    }
    return Answer(
        changed=any(lists.values()),
        before=lists,
        after={key: [] for key in lists},
        result={**lists, "bytes_freed": pruning.size},
        warnings=pruning.warnings,
    )


def _digests(parts: tuple[str, ...], *directories: str) -> list[str]:
    return sorted({f"sha256:{os.path.basename(path)}" for path in parts if os.path.dirname(path) in directories})


def _named(item: Descriptor) -> dict[str, str]:
    return {"name": layout.name_of(item) or "", "digest": item["digest"]}
