# SPDX-License-Identifier: GPL-3.0-or-later
"""An image loses its name; what no other image and no container needs is collected at once."""

from __future__ import annotations

from ..answer import Answer
from ..errors import Conflict, InvalidSpec
from ..plan import Plan, Step
from ..storage import collect, layout
from ..storage.staging import Staging
from . import facts
from .naming import without_name
from .reference import parse
from .resolve import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..paths import Paths
    from ..storage.layout import Descriptor


def remove(paths: Paths, reference: str, *, force: bool, check: bool) -> Answer:
    """Take the name away; an id or digest takes all its names. Conflict: several names or containers in use, unless `force`."""
    plan = _plan(paths, reference, force=force)
    if not check:
        plan.apply()
    return Answer(changed=plan.changed, before=plan.before, after=plan.after, result={"image": {}})


def _plan(paths: Paths, reference: str, *, force: bool) -> Plan:
    descriptors = layout.read_index(paths)
    found = find(paths, descriptors, reference)
    if found is None:
        state = facts.absent(parse(reference).name if is_name(reference) else reference)
        return Plan(before=state, after=state)
    going = _going(descriptors, found, reference, force=force)
    _check_unused(paths, descriptors, going, force=force)
    name = layout.name_of(found) or reference
    before = facts.state_before(paths, name, found)
    return Plan(
        before=before,
        after=facts.absent(name),
        steps=(Step(what=f"remove image {name}", run=lambda: _apply(paths, going)),),
    )


def _going(descriptors: list[Descriptor], found: Descriptor, reference: str, *, force: bool) -> list[Descriptor]:
    if is_name(reference) and layout.name_of(found) == parse(reference).name:
        return [found]
    going = [item for item in descriptors if item["digest"] == found["digest"]]
    if len(going) > 1 and not force:
        names = ", ".join(sorted(layout.name_of(item) or "-" for item in going))
        raise Conflict(f"image {reference!a} has {len(going)} names ({names}): remove them by name, or use force")
    return going


def is_name(reference: str) -> bool:
    """Whether it can be read as a name."""
    try:
        parse(reference)
    except InvalidSpec:
        return False
    return True


def _check_unused(paths: Paths, descriptors: list[Descriptor], going: list[Descriptor], *, force: bool) -> None:
    digest = going[0]["digest"]
    if force or any(item["digest"] == digest and item not in going for item in descriptors):
        return
    users = collect.used_by_containers(paths).get(digest)
    if users:
        raise Conflict(
            f"image {layout.name_of(going[0]) or digest} is used by {', '.join(users[:5])}: remove the containers first, or use force"
        )


def _apply(paths: Paths, going: list[Descriptor]) -> None:
    # Killed after the index is written, this leaves something in staging: by it the next command knows to collect.
    with Staging(paths, "removal"), layout.changing(paths):
        descriptors = [without_name(item) if item in going else item for item in layout.read_index(paths)]
        layout.write_index(paths, collect.without_unused(paths, descriptors))
        collect.collect(paths)
