# SPDX-License-Identifier: GPL-3.0-or-later
"""An image out of what this host has: a directory, an archive, or what a program makes."""

from __future__ import annotations

import json

from ..answer import Answer
from ..errors import from_os
from ..plan import Plan, Step
from ..progress import DONE, RUNNING, Event, silent
from ..storage import layout
from ..storage.staging import Staging
from ..undo import Undo
from ..values import Value
from . import facts
from .add import Addition, add, remember
from .bootstrap import Busybox
from .config import Documents, assemble, layer_descriptor, platform, show_created
from .naming import source_of
from .reference import parse
from .sources import open_rootfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths
    from ..progress import Report
    from ..storage.layers import Layer
    from ..storage.layout import Descriptor
    from ..storage.limits import Limits
    from .converge import Spec
    from .reference import Reference
    from .sources import Source


class Made(Value):
    """What making the image came to: its documents, its layer in staging (None: the store has it), what to remember."""

    documents: Documents
    layer: Layer | None
    source: dict[str, Any]


def ensure(
    paths: Paths, spec: Spec, reference: Reference, params: dict[str, Any], *, check: bool, progress: Report
) -> Answer:
    if spec.archive is not None:
        from .archive import Wish, load

        wish = Wish(
            path=spec.archive, reference=params.get("archive_reference"), platform=params.get("platform"),
            options=tuple(spec.options), limits=spec.limits, force=spec.force,
        )  # fmt: skip
        answer = load(paths, reference.name, wish, check=check, progress=progress)
        if answer is not None:
            return answer
        spec = spec.replace(rootfs=spec.archive)
    there = layout.called(layout.read_index(paths), reference.name)
    source = _source(paths, spec, params, progress)
    print_now = source.fingerprint()
    if not source.foretold and not (there and _is_known(paths, spec, source, there, print_now)):
        return _make_unforetold(paths, spec, source, reference.name, there, check=check, progress=progress)
    return _converge(paths, spec, source, reference, there, check=check, progress=progress)


def _source(paths: Paths, spec: Spec, params: dict[str, Any], progress: Report) -> Source:
    if spec.rootfs is not None:
        return open_rootfs(paths, spec.rootfs)
    if spec.bootstrap == "busybox":
        return Busybox()
    from .debootstrap import Debootstrap, read_options

    def step(words: str) -> None:
        progress(Event(what="import", digest="", state=RUNNING, step=words))

    return Debootstrap(paths, read_options(params), step)


def _make_unforetold(
    paths: Paths, spec: Spec, source: Source, name: str, there: Descriptor | None, *, check: bool, progress: Report
) -> Answer:
    """The answer says the same in check mode as after the work: that there will be an image, not which."""
    before, after = facts.state_before(paths, name, there), {"name": name, "state": "present", "made_by": source.key}
    if check:
        return Answer(changed=True, before=before, after=after, result={"image": {}})
    found = _converge(paths, spec, source, parse(name), there, check=False, progress=progress)
    return Answer(changed=True, before=before, after=after, result=found.result, warnings=found.warnings)


def _converge(
    paths: Paths, spec: Spec, source: Source, reference: Reference, there: Descriptor | None, *, check: bool,
    progress: Report,
) -> Answer:  # fmt: skip
    with Undo() as held:
        place = None if check else held.enter(Staging(paths, "import"))
        try:
            made = _make(paths, spec, source, there, place, progress)
            plan = _plan(paths, reference.name, there, made, place)
            if not check:
                plan.apply()
                if made.layer:
                    size = made.layer.size
                    progress(Event(what="import", digest="", done=size, total=size, state=DONE))
            if not check and not plan.changed and there and source_of(there) != made.source:
                remember(paths, reference.name, made.documents.digest, made.source)
        except OSError as error:
            raise from_os(error, f"make image {reference.name}") from error
    now = layout.called(layout.read_index(paths), reference.name)
    is_there = now is not None and now["digest"] == made.documents.digest and facts.is_intact(paths, now)
    image = facts.describe(paths, now) if now and is_there else {}
    return Answer(
        changed=plan.changed,
        before=plan.before,
        after=plan.after,
        result={"image": image},
        warnings=tuple(source.warnings),
    )


def _make(
    paths: Paths, spec: Spec, source: Source, there: Descriptor | None, place: Staging | None, progress: Report
) -> Made:
    noted, print_now = source_of(there), source.fingerprint()
    is_known = there and _is_known(paths, spec, source, there, print_now)
    layer = None if is_known else _layer(source, spec.limits, place, progress)
    digest, size, newest = (
        (layer.digest, layer.size, layer.newest) if layer else (noted["layer"], noted["size"], noted["newest"])
    )
    created = show_created(newest)
    config = {
        "created": created,
        **platform(spec.platform),
        "config": _config(source.defaults, spec.options),
        "history": [{"created": created, "created_by": f"berth {source.key.partition(':')[0]}"}],
    }
    documents = assemble(config, [layer_descriptor(digest, size)], (digest,))
    remembered = {"key": source.key, "fingerprint": print_now, "layer": digest, "size": size, "newest": newest}
    return Made(documents=documents, layer=layer, source=remembered)


def _layer(source: Source, limits: Limits, place: Staging | None, progress: Report) -> Layer:
    if place is None or progress is silent:
        return source.layer(place, limits)

    def told(done: int) -> None:
        progress(Event(what="import", digest="", done=done, total=source.size, state=RUNNING))

    return source.layer(place, limits, told)


def _is_known(paths: Paths, spec: Spec, source: Source, there: Descriptor, print_now: str) -> bool:
    """Whether the source still is what the image was made of: told by its inodes, else by reading it without writing."""
    noted = source_of(there)
    if "newest" not in noted or not facts.is_intact(paths, there):
        return False
    if print_now and not spec.force and (noted.get("key"), noted.get("fingerprint")) == (source.key, print_now):
        return True
    if not source.foretold:
        return False
    return bool(source.layer(None, spec.limits).digest == noted["layer"])


def _config(defaults: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    merged = {**defaults, **options}
    if "Entrypoint" in options and "Cmd" not in options:
        merged.pop("Cmd", None)
    if "Env" in options:
        given = {item.partition("=")[0] for item in options["Env"]}
        merged["Env"] = [item for item in defaults.get("Env", []) if item.partition("=")[0] not in given] + options[
            "Env"
        ]
    return {key: value for key, value in merged.items() if value not in ([], {}, "")}


def _plan(paths: Paths, name: str, there: Descriptor | None, made: Made, place: Staging | None) -> Plan:
    documents = made.documents
    after = facts.state_of(name, documents.digest, documents.id, json.loads(documents.config))
    before = facts.state_before(paths, name, there)
    if before == after:
        return Plan(before=before, after=after)
    addition = Addition(
        name=name, documents=documents, layer=made.layer, source=made.source,
    )  # fmt: skip
    return Plan(
        before=before, after=after, steps=(Step(what=f"add image {name}", run=lambda: add(paths, place, addition)),)
    )
