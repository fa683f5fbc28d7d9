# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's changes as a new layer on its image: the same changes give the same digest, today, again and elsewhere."""

from __future__ import annotations

import os

from .. import jsontext
from ..errors import from_os
from ..plan import Plan, Step
from ..storage import collect, fingerprint, layers, layout, stored
from ..storage.staging import Staging
from ..storage.upper import Changes
from ..undo import Scope, Undo
from ..values import Value
from . import facts
from .add import Addition, add
from .changes import apply_changes, read_changes
from .config import Documents, assemble, layer_descriptor, read_created
from .naming import name_lock
from .reference import parse
from .resolve import read_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any

    from ..paths import Paths
    from ..storage.layout import Descriptor
    from .resolve import Image


class CommitSpec(Value):
    """What the image made by a commit is called, and what its config changes (see `changes.read_changes`)."""

    name: str
    changes: Any = None
    comment: str = ""
    author: str = ""


class Commit(Value):
    """`plan` says what will change; apply it inside the `with` that gave it. `digest` is the image's, and is known beforehand.

    `previous` is for the caller to keep, and to give to the next commit of this container: it saves reading the files again.
    """

    name: str
    digest: str
    id: str
    layer: str
    plan: Plan
    previous: dict[str, Any]
    warnings: tuple[str, ...] = ()


class _Layer(Value):
    """The new layer: in staging (`built`), or known to be in the store, or "" when nothing changed."""

    digest: str
    size: int
    built: layers.Layer | None = None


def plan_commit(
    paths: Paths,
    *,
    base: Image,
    upper: str,
    ignore: tuple[bytes, ...],
    previous: dict[str, Any] | None,
    spec: CommitSpec,
    check: bool,
) -> AbstractContextManager[Commit]:
    """Work out the image that `upper` on `base` is. Leaving the `with` gives back what was staged and not applied.

    The layer is written to staging while it is hashed; with `check` it is only hashed and nothing is written anywhere.
    An upper that is as `previous` saw it is not read, only its inodes are. StorageFull, Conflict (it changed meanwhile).
    Times later than the image's `created` become it: when a file was written differs from run to run, what it is does not.
    """
    name = parse(spec.name).name

    def work_out(held: Undo) -> Commit:
        if not check:
            collect.recover(paths)
        if os.path.isdir(paths.locks):
            held.enter(name_lock(paths, name))
        place = None if check else held.enter(Staging(paths, "commit"))
        warnings: list[str] = []
        try:
            layer, kept = _layer(paths, base, upper, ignore, previous, place, warnings)
        except OSError as error:
            raise from_os(error, f"commit to image {name}") from error
        documents = _documents(paths, base, layer, spec)
        plan = _plan(paths, name, documents, layer, place)
        return Commit(
            name=name, digest=documents.digest, id=documents.id, layer=layer.digest, plan=plan, previous=kept,
            warnings=tuple(warnings),
        )  # fmt: skip

    return Scope(work_out)


def _layer(
    paths: Paths,
    base: Image,
    upper: str,
    ignore: tuple[bytes, ...],
    previous: dict[str, Any] | None,
    place: Staging | None,
    warnings: list[str],
) -> tuple[_Layer, dict[str, Any]]:
    descriptor = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        kept = {
            "fingerprint": fingerprint.of_tree(descriptor),
            "base": base.digest,
            "ignore": sorted(os.fsdecode(path) for path in ignore),
        }
        if previous and kept["fingerprint"] and all(previous.get(key) == value for key, value in kept.items()):
            known = _Layer(digest=previous["layer"], size=previous["size"])
            if not known.digest or stored.has(paths, known.digest):
                return known, previous
        changes = Changes(descriptor, lowers=base.layers, ignore=ignore, newest=read_created(base.created))
        built = layers.from_entries(changes, staging=place, lowers=base.layers)
    finally:
        os.close(descriptor)
    if changes.skipped:
        warnings.append(f"sockets were left out: {', '.join(changes.skipped[:5])}")
    layer = _Layer(digest=built.digest, size=built.size, built=built) if built.count else _Layer(digest="", size=0)
    return layer, {**kept, "layer": layer.digest, "size": layer.size}


def _documents(paths: Paths, base: Image, layer: _Layer, spec: CommitSpec) -> Documents:
    manifest, config = read_document(paths, base.digest), dict(read_document(paths, base.id))
    diff_ids = tuple(config.pop("rootfs")["diff_ids"])
    note: dict[str, Any] = {"created": base.created, "created_by": "berth commit"}
    note.update((key, value) for key, value in (("author", spec.author), ("comment", spec.comment)) if value)
    descriptors = list(manifest["layers"])
    if layer.digest:
        descriptors.append(layer_descriptor(layer.digest, layer.size))
        diff_ids = (*diff_ids, layer.digest)
    else:
        note["empty_layer"] = True
    config["config"] = apply_changes(config.get("config") or {}, read_changes(spec.changes))
    config["history"] = [*(config.get("history") or [{"created": base.created}] * len(manifest["layers"])), note]
    if spec.author:
        config["author"] = spec.author
    return assemble(config, descriptors, diff_ids)


def _plan(paths: Paths, name: str, documents: Documents, layer: _Layer, place: Staging | None) -> Plan:
    after = facts.state_of(name, documents.digest, documents.id, jsontext.loads(documents.config))
    there = layout.called(layout.read_index(paths), name)
    before = facts.state_before(paths, name, there)
    if before == after:
        return Plan(before=before, after=after)
    addition = Addition(
        name=name, documents=documents, layer=layer.built,
        source={"key": "commit", "fingerprint": "", "layer": layer.digest, "size": layer.size},
    )  # fmt: skip

    def apply() -> Descriptor:
        try:
            return add(paths, place, addition)
        except OSError as error:
            raise from_os(error, f"commit to image {name}") from error

    return Plan(before=before, after=after, steps=(Step(what=f"add image {name}", run=apply),))
