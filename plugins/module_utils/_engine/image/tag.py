# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb container_image_tag: one more name for an image, or one less; the image itself is not touched."""

from __future__ import annotations

from ..answer import Answer
from ..errors import Damaged, InvalidSpec, NotFound, from_os
from ..plan import Plan, Step
from ..storage import collect, layout
from ..storage.staging import Staging
from . import facts
from .naming import name_lock, without_name
from .reference import parse
from .resolve import find, missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths
    from ..storage.layout import Descriptor


def container_image_tag(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """`state` present: `image` is called `name`, too, whatever had that name before. absent: nothing has it any more.

    With absent, `image` may be left out; given, only a name of that image is taken away. An image that loses its last name
    stays, nameless, while a container uses it. NotFound, Damaged, InvalidSpec. Atomic.
    """
    name, state = _name(params), params.get("state") or "present"
    if state not in ("present", "absent"):
        raise InvalidSpec(f"state: {state!a} is neither present nor absent")
    image = params.get("image")
    if state == "present" and not image:
        raise InvalidSpec("image is missing: say which image gets the name")
    if not check:
        collect.recover(paths)
    with name_lock(paths, name):
        plan = _to_tag(paths, str(image), name) if state == "present" else _to_untag(paths, image, name)
        if not check:
            try:
                plan.apply()
            except OSError as error:
                raise from_os(error, f"name image {name}") from error
    return Answer(changed=plan.changed, before=plan.before, after=plan.after, result={"image": _result(plan)})


def _name(params: dict[str, Any]) -> str:
    reference = parse(params.get("name"))
    if reference.digest:
        raise InvalidSpec(f"name: {params.get('name')!a} has a digest: a tag is a name only, such as base:stable")
    return reference.name


def _result(plan: Plan) -> dict[str, Any]:
    return {key: plan.after[key] for key in ("name", "digest", "id") if key in plan.after}


def _to_tag(paths: Paths, image: str, name: str) -> Plan:
    descriptors = layout.read_index(paths)
    found = find(paths, descriptors, image)
    if found is None:
        raise missing(image)
    if not facts.is_intact(paths, found):
        raise Damaged(f"image {image!a} lacks a part: repair it with berth system check --repair before it is named")
    there = layout.called(descriptors, name)
    before = facts.state_before(paths, name, there)
    after = {**facts.state_before(paths, name, found), "name": name}
    steps = (Step(what=f"name image {name}", run=lambda: _tag(paths, found["digest"], name)),)
    return Plan(before=before, after=after, steps=steps if before != after else ())


def _to_untag(paths: Paths, image: object, name: str) -> Plan:
    descriptors = layout.read_index(paths)
    there = layout.called(descriptors, name)
    if there is not None and image:
        meant = find(paths, descriptors, str(image))
        there = there if meant is not None and meant["digest"] == there["digest"] else None
        if there is None:
            state = facts.state_before(paths, name, layout.called(descriptors, name))
            return Plan(before=state, after=state)
    if there is None:
        return Plan(before=facts.absent(name), after=facts.absent(name))
    step = Step(what=f"take away the name {name}", run=lambda: _untag(paths, there["digest"], name))
    return Plan(before=facts.state_before(paths, name, there), after=facts.absent(name), steps=(step,))


def _tag(paths: Paths, digest: str, name: str) -> None:
    with Staging(paths, "tag"), layout.changing(paths):
        descriptors = layout.read_index(paths)
        source = next((item for item in descriptors if item["digest"] == digest), None)
        if source is None:
            raise NotFound(f"the image to be called {name} was removed meanwhile: nothing was done")
        fresh = {**source, "annotations": {**layout.annotations_of(source), layout.NAME: name}}
        others = [without_name(item) if layout.name_of(item) == name else item for item in descriptors]
        _write(paths, [*others, fresh])


def _untag(paths: Paths, digest: str, name: str) -> None:
    with Staging(paths, "tag"), layout.changing(paths):
        _write(paths, [
            without_name(item) if layout.name_of(item) == name and item["digest"] == digest else item
            for item in layout.read_index(paths)
        ])  # fmt: skip


def _write(paths: Paths, descriptors: list[Descriptor]) -> None:
    # Killed after the index is written, this leaves something in staging: by it the next command knows to collect.
    layout.write_index(paths, collect.without_unused(paths, descriptors))
    collect.collect(paths)
