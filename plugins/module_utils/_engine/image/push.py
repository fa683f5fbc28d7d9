# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb container_image_push: a registry has the image of this host's store, byte for byte."""

from __future__ import annotations

from _thread import allocate_lock, start_new_thread

from ..answer import Answer
from ..errors import Damaged, EngineError, InvalidSpec
from ..plan import Plan, Step
from ..progress import DONE, RUNNING, THERE, WAITING, Event, named, silent
from ..registry import upload
from ..registry.endpoint import split
from ..storage import layout, oci, stored
from ..storage.blobs import read
from ..values import Value
from . import facts
from .naming import source_of
from .reference import parse
from .registries import Registries, read_access
from .resolve import find, missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from typing import Any, Callable

    from ..paths import Paths
    from ..progress import Report
    from ..registry.transport import Readable
    from ..storage.stored import Stored
    from .reference import Reference


_AT_ONCE = 4


class Parcel(Value):
    """What is to be sent: the manifest as stored, and the blobs it names, each once, the config last."""

    manifest: bytes
    media_type: str
    digest: str
    blobs: tuple[oci.Descriptor, ...]


def container_image_push(paths: Paths, params: dict[str, Any], *, check: bool, progress: Report = silent) -> Answer:
    """Push `name` to `destination` (default: `name`). The result: destination, digest, sent (bytes), mounted and there (blobs).

    Blobs are sent as they are stored, so the digest stays, and a registry that has it under that tag already is left alone.
    """
    name = params.get("name")
    source, target = parse(name), parse(params.get("destination") or name)
    if target.digest and params.get("destination"):
        raise InvalidSpec(
            f"destination {params['destination']!a} has a digest: give a tag, the digest is the image's own"
        )
    if not target.tag:
        target = target.replace(tag="latest")
    progress = named(progress, f"{target.repository}:{target.tag}")
    registries = Registries(read_access(params), target.repository, mirrors=False)
    with layout.reading(paths):
        parcel = _parcel(paths, str(name))
        known = _known_places(paths, registries.client.name)
        files = {blob.digest: stored.open_blob(paths, blob.digest) for blob in parcel.blobs} if not check else {}
    try:
        return _push(registries, source, target, parcel, known, files, progress, check=check)
    finally:
        for file in files.values():
            file.close()


def _push(
    registries: Registries, source: Reference, target: Reference, parcel: Parcel, known: dict[str, str], files: dict[str, Stored],
    progress: Report, *, check: bool,
) -> Answer:  # fmt: skip
    client, repository = registries.client, registries.repository
    head = client.head(repository, target.tag)
    there = head.digest if head else ""
    name = f"{target.repository}:{target.tag}"
    counts = {"sent": 0, "mounted": 0, "there": 0}
    steps: tuple[Step, ...] = ()
    if there != parcel.digest:

        def run() -> None:
            for blob in parcel.blobs:
                progress(Event(what="push", digest=blob.digest, total=blob.size, state=WAITING))
            told = _one_at_a_time(progress)
            for kind, number in _several(
                parcel.blobs,
                lambda blob: _send(registries, blob, known.get(blob.digest, ""), files[blob.digest], told),
            ):
                counts[kind] += number
            upload.put_manifest(client, repository, target.tag, parcel.manifest, parcel.media_type, parcel.digest)

        steps = (Step(what=f"push image {source.name} to {name}", run=run),)
    before: dict[str, Any] = {"name": name, "state": "present" if there else "absent"}
    after = {"name": name, "state": "present", "digest": parcel.digest}
    plan = Plan(before={**before, **({"digest": there} if there else {})}, after=after, steps=steps)
    if not check:
        plan.apply()
    return Answer(
        changed=plan.changed, before=plan.before, after=plan.after, warnings=registries.warnings,
        result={"destination": name, "digest": parcel.digest, **counts},
    )  # fmt: skip


def _one_at_a_time(progress: Report) -> Report:
    """Whoever listens need not know of threads."""
    lock = allocate_lock()

    def told(event: Event) -> None:
        with lock:
            progress(event)

    return told


def _several(
    blobs: tuple[oci.Descriptor, ...], send: Callable[[oci.Descriptor], tuple[str, int]]
) -> list[tuple[str, int]]:
    """What `send` returns for each, a few at once: a registry takes longer to answer than to be asked.

    The first error flies when all that had begun have ended.
    """
    waiting, errors, found = list(reversed(blobs)), list[Exception](), list[tuple[str, int]]()

    def work() -> None:
        while waiting and not errors:
            try:
                found.append(send(waiting.pop()))
            except IndexError:
                return  # another was faster
            except (EngineError, OSError) as error:
                errors.append(error)

    ends = [_start(work) for _unused in blobs[1:_AT_ONCE]]
    work()
    for end in ends:
        end.acquire()
    if errors:
        raise errors[0]
    return found


def _start(work: Callable[[], None]) -> LockType:
    """A thread, and a lock that can be had at its end: all that threading would be loaded for, in 2 ms."""
    end = allocate_lock()
    end.acquire()

    def run() -> None:
        try:
            work()
        finally:
            end.release()

    start_new_thread(run, ())
    return end


def _send(
    registries: Registries,
    blob: oci.Descriptor,
    elsewhere: str,
    file: Stored,
    progress: Report,
) -> tuple[str, int]:
    """What became of it: "there", "mounted", or "sent" with its bytes."""
    client, repository = registries.client, registries.repository

    def tell(state: str, done: int) -> None:
        progress(Event(what="push", digest=blob.digest, done=done, total=blob.size, state=state))

    if client.has_blob(repository, blob.digest):
        tell(THERE, blob.size)
        return "there", 1
    if elsewhere and elsewhere != repository and upload.mount(client, repository, blob.digest, elsewhere):
        tell(THERE, blob.size)
        return "mounted", 1

    def open_from(offset: int) -> Readable:
        return _Told(file, offset, lambda done: tell(RUNNING, done))

    upload.put_blob(client, repository, blob.digest, blob.size, open_from)
    tell(DONE, blob.size)
    return "sent", blob.size


class _Told:
    """A blob as a file that tells how far it was read. Sent from its beginning, it is verified on the way: Damaged at its end."""

    def __init__(self, file: Stored, offset: int, told: Callable[[int], None]) -> None:
        self._blocks = file.blocks(offset) if offset else file.verified()
        self._done, self._told = offset, told

    def read(self, most: int = -1) -> bytes:
        """As a file's; who sends asks for 16 KiB at a time and gets more."""
        del most
        data = next(self._blocks, b"")
        self._done += len(data)
        self._told(self._done)
        return data

    def close(self) -> None:
        """Harmless twice."""
        self._blocks.close()


def _parcel(paths: Paths, name: str) -> Parcel:
    there = find(paths, layout.read_index(paths), name)
    if there is None:
        raise missing(name)
    if not facts.is_intact(paths, there):
        raise Damaged(f"image {name} is damaged or lacks a part: pull or make it again before it is pushed")
    data = read(paths, there["digest"])
    manifest = oci.read_manifest(data, str(there.get("mediaType") or ""), f"manifest {there['digest']}")
    if isinstance(manifest, oci.Index):
        raise Damaged(f"image {name} is an index in the store: make it again")
    blobs = {blob.digest: blob for blob in (*manifest.layers, manifest.config)}
    return Parcel(manifest=data, media_type=manifest.media_type, digest=there["digest"], blobs=tuple(blobs.values()))


def _known_places(paths: Paths, registry: str) -> dict[str, str]:
    """In which repository of that registry a blob may be: by the images that came from there, or are called after it."""
    known: dict[str, str] = {}
    for item in layout.read_index(paths):
        for place, repository in _places(item):
            if place == registry and facts.is_intact(paths, item):
                manifest = oci.read_manifest(read(paths, item["digest"]), "", f"manifest {item['digest']}")
                blobs = manifest.layers if isinstance(manifest, oci.Manifest) else ()
                known.update((blob.digest, repository) for blob in blobs)
    return known


def _places(item: dict[str, Any]) -> list[tuple[str, str]]:
    """(registry, repository); what is sure comes last."""
    source, name = source_of(item), layout.name_of(item)
    named = [split(parse(name).repository)] if name else []
    return [*named, (str(source.get("registry") or ""), str(source.get("repository") or ""))]
