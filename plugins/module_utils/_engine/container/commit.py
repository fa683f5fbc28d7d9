# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb `container_commit`: a container's changes as an image, taken while it stands still."""

from __future__ import annotations

from ..answer import Answer
from ..cgroup import group, hierarchy
from ..errors import InvalidSpec, NotFound
from ..image.commit import CommitSpec, plan_commit
from ..image.resolve import resolve
from ..paths import Paths
from ..records import read_record, write_record
from ..undo import Scope, Undo
from . import record as records
from .record import Record
from .recover import recover
from .skeleton import MOUNT_POINTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def container_commit(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """Commit `container` to the image `name`, with `changes` for its config, `comment` and `author`.

    `pause` (default true) freezes its processes meanwhile, so that the image is one moment of it.
    """
    if not params.get("name"):
        raise InvalidSpec("container_commit: name is missing: name the image to make")
    if not check:
        recover(paths)
    record = records.find(paths, str(params.get("container")))
    base = resolve(paths, record.image_digest)
    home = paths.container(record.id)
    spec = CommitSpec(
        name=str(params["name"]),
        changes=params.get("changes"),
        comment=params.get("comment") or "",
        author=params.get("author") or "",
    )
    with records.lock(paths, record), Undo() as held:
        if params.get("pause") is not False and not check:
            held.enter(paused(paths, record))
        with plan_commit(
            paths,
            base=base,
            upper=f"{home}/upper",
            ignore=made_by_engine(home),
            previous=_previous(home),
            spec=spec,
            check=check,
        ) as commit:
            if not check:
                commit.plan.apply()
                if commit.previous != _previous(home):
                    write_record(f"{home}/commit.json", commit.previous, durable=False)
            image = {"name": commit.name, "digest": commit.digest, "id": commit.id, "layer": commit.layer}
            return Answer(
                changed=commit.plan.changed,
                before=commit.plan.before,
                after=commit.plan.after,
                result={"image": image},
                warnings=commit.warnings,
            )


def paused(paths: Paths, record: Record) -> Scope:
    """Freeze the container's processes for the time of the `with`; nothing to do when it does not run."""

    def freeze(undo: Undo) -> None:
        now = record.state(paths)
        if now.status == "running" and not now.paused:
            here, parent = hierarchy.mounted(), record.group(paths)
            undo.later(lambda: group.freeze(here, parent, record.id, frozen=False))
            group.freeze(here, parent, record.id, frozen=True)

    return Scope(freeze)


def made_by_engine(home: str) -> tuple[bytes, ...]:
    """The mount points that are not the image's, as paths below the root: those in the skeleton, and those in the upper directory."""
    made: list[bytes] = []
    try:
        with open(f"{home}/made", "rb") as file:
            made = [path.strip(b"/") for path in file.read().split(b"\0")]
    except FileNotFoundError:
        pass  # the skeleton had all
    return tuple(sorted({*MOUNT_POINTS, *filter(None, made)}))


def _previous(home: str) -> dict[str, Any] | None:
    try:
        return read_record(f"{home}/commit.json")
    except NotFound:
        return None
