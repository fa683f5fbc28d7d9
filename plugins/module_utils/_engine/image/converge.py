# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb container_image: an image is there as described, or is not there."""

from __future__ import annotations

import contextlib
import json
import os

from ..answer import Answer
from ..errors import InvalidSpec, from_os
from ..plan import Plan, Step
from ..progress import DONE, RUNNING, Event, named, silent
from ..storage import collect, layout
from ..storage.limits import Limits
from ..storage.staging import Staging
from ..units import parse_size
from ..values import Value
from . import facts
from .add import Addition, add, name_lock, remember, source_of
from .bootstrap import Busybox
from .config import Documents, assemble, layer_descriptor, platform, read_options, show_created
from .pull import pull, read_wish
from .reference import Reference, parse, parse_id
from .remove import remove
from .sources import open_rootfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths
    from ..progress import Report
    from ..storage.layers import Layer
    from ..storage.layout import Descriptor
    from .sources import Source


_ORIGINS = ("rootfs", "bootstrap", "archive")


class Spec(Value):
    """What the user asked for. `options` are the OCI config fields that were given. `force`: read the source again even
    though nothing points to a change; remove the image even though it is in use."""

    name: str
    state: str = "present"
    rootfs: str | None = None
    bootstrap: str | None = None
    archive: str | None = None
    options: dict[str, Any] = {}
    force: bool = False
    limits: Limits = Limits()


class Made(Value):
    """What making the image came to: its documents, its layer in staging (None: the store has it), what to remember."""

    documents: Documents
    layer: Layer | None
    source: dict[str, Any]


def container_image(paths: Paths, params: dict[str, Any], *, check: bool, progress: Report = silent) -> Answer:
    """Make the image, pull it, or remove it. The result's `image` is as container_image_info gives it, {} when there is none."""
    spec = read_spec(params)
    if not check:
        paths.prepare()
        collect.recover(paths)
    if spec.state == "absent":
        return remove(paths, spec.name, force=spec.force, check=check)
    reference = parse(spec.name)
    progress = named(progress, reference.name)
    wish = None
    if all(params.get(option) is None for option in ("rootfs", "bootstrap", "archive")):
        wish = read_wish(reference, params)
    elif reference.digest:
        raise InvalidSpec(f"image name {spec.name!a} has a digest: an image that is made here gets its own")
    with contextlib.ExitStack() as held:
        if os.path.isdir(paths.locks):
            held.enter_context(name_lock(paths, reference.name))
        if wish:
            return pull(paths, wish, spec.limits, check=check, progress=progress)
        return _ensure(paths, spec, reference, params, check=check, progress=progress)


def read_spec(params: dict[str, Any]) -> Spec:
    """InvalidSpec for options that make no sense alone or together."""
    state = params.get("state") or "present"
    name, (rootfs, bootstrap, archive) = params.get("name"), map(params.get, _ORIGINS)
    if state not in ("present", "absent"):
        raise InvalidSpec(f"state: {state!a} is none of present, absent")
    if not isinstance(name, str) or not (state == "absent" and parse_id(name)):
        parse(name)
    if len([one for one in (rootfs, bootstrap, archive) if one is not None]) > 1:
        raise InvalidSpec("rootfs, bootstrap and archive exclude each other: give one of them")
    if bootstrap not in (None, "busybox", "debootstrap"):
        raise InvalidSpec(f"bootstrap: {bootstrap!a} is not known: busybox and debootstrap are")
    for option, path in (("rootfs", rootfs), ("archive", archive)):
        if path is not None and not isinstance(path, str):
            raise InvalidSpec(f"{option}: {path!a} is no path")
    options = read_options(params)
    if options and rootfs is None and bootstrap is None and archive is None and state == "present":
        raise InvalidSpec(
            "config options need rootfs, bootstrap or a layer as archive: an image that is there is not changed by name alone"
        )
    return Spec(
        name=str(name), state=state, rootfs=rootfs, bootstrap=bootstrap, archive=archive, options=options, force=bool(params.get("force")),
        limits=_limits(params),
    )  # fmt: skip


def _limits(params: dict[str, Any]) -> Limits:
    limits = Limits()
    if params.get("max_unpacked_size") is not None:
        # Who names a size has thought about what hides in the archive.
        limits = limits.replace(unpacked=parse_size(params["max_unpacked_size"], "max_unpacked_size"), ratio=1 << 40)
    entries = params.get("max_entries")
    if entries is not None:
        if isinstance(entries, bool) or not isinstance(entries, int) or entries < 1:
            raise InvalidSpec(f"max_entries: {entries!a} is no number of files")
        limits = limits.replace(entries=entries)
    return limits


def _ensure(
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
    source = _source(paths, spec, params)
    print_now = source.fingerprint()
    if not source.foretold and not (there and _is_known(paths, spec, source, there, print_now)):
        return _make_unforetold(paths, spec, source, reference.name, there, check=check, progress=progress)
    return _converge(paths, spec, source, reference, there, check=check, progress=progress)


def _source(paths: Paths, spec: Spec, params: dict[str, Any]) -> Source:
    if spec.rootfs is not None:
        return open_rootfs(paths, spec.rootfs)
    if spec.bootstrap == "busybox":
        return Busybox()
    from .debootstrap import Debootstrap, read_options

    return Debootstrap(paths, read_options(params))


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
    with contextlib.ExitStack() as held:
        place = None if check else held.enter_context(Staging(paths, "import"))
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
        **platform(),
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
