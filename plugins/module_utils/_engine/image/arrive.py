# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that comes from elsewhere, whoever brings it: documents and layers are verified, unpacked side by side, and named."""

from __future__ import annotations

import os

from ..answer import Answer
from ..digests import chain, sha256
from ..errors import Damaged, EngineError, Refused, from_os
from ..mediatypes import DOCUMENT
from ..plan import Plan, Step
from ..progress import DONE, RUNNING, THERE, WAITING, Event, silent
from ..storage import ingest, layers, layout, marks, oci, platforms, stored, workers
from ..storage.limits import Limits
from ..storage.staging import Staging
from ..values import Value
from . import facts
from .add import Addition, add, remember
from .config import Documents
from .naming import source_of
from .resolve import read_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    from ..paths import Paths
    from ..progress import Report
    from ..storage.layout import Descriptor as Line
    from ..storage.oci import Config, Descriptor, Manifest

    class Provider(Protocol):
        """Where the parts of an image come from. What it gives is verified by who asks."""

        def document(self, descriptor: Descriptor) -> bytes:
            """A manifest or a config, whole."""

        def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
            """A layer as it is stored there, in order; asked in a forked process, for several layers at once."""

        def distrust(self, error: EngineError) -> bool:
            """The last blob was refused for that; whether it may come otherwise, asked again in the same process."""

        def news(self) -> dict[str, str]:
            """What this process learnt on the way: whom it passed over, and why."""

        def learn(self, news: dict[str, str]) -> None:
            """What another process learnt."""


_DEPTH = 4


class OnlyWay:
    """What a provider has that has one place to ask."""

    def distrust(self, error: EngineError) -> bool:
        """There is no other."""
        del error
        return False

    def news(self) -> dict[str, str]:
        """Nobody was passed over."""
        return {}

    def learn(self, news: dict[str, str]) -> None:
        """There is nothing to be told."""


class Arrival(Value):
    """What is to come: the manifest as it was given, and what it and its config say."""

    data: bytes
    manifest: Manifest
    config_data: bytes
    config: Config

    @property
    def digest(self) -> str:
        return sha256(self.data)

    @property
    def chains(self) -> tuple[str, ...]:
        return chain(self.config.diff_ids)


def arrive(
    paths: Paths, name: str, provider: Provider, manifest: bytes, media_type: str, *, source: dict[str, Any], check: bool,
    limits: Limits | None = None, progress: Report = silent, platform: str | None = None, what: str = "pull",
) -> Answer:  # fmt: skip
    """Let the image in `manifest` be called `name` (normalised); an index is followed to the image for `platform`.

    The manifest's bytes and the blobs stay as they came. Nothing changes when that digest has the name already. The caller
    holds the name's lock and verified `manifest` itself if it knows its digest. Refused, NotFound: nothing was touched.
    """
    arrival = resolve(provider, manifest, media_type, platform, name)
    there = layout.called(layout.read_index(paths), name)
    plan = _plan(paths, name, arrival, provider, there, source, limits or Limits(), progress, what)
    if not check:
        plan.apply()
        if not plan.changed and there and source_of(there) != source:
            remember(paths, name, arrival.digest, source)
    now = layout.called(layout.read_index(paths), name)
    is_there = now is not None and now["digest"] == arrival.digest and facts.is_intact(paths, now)
    warnings = _warnings(name, arrival.config, platform)
    image = facts.describe(paths, now) if now and is_there else {}
    return Answer(
        changed=plan.changed, before=plan.before, after=plan.after, result={"image": image}, warnings=warnings
    )


def resolve(provider: Provider, data: bytes, media_type: str, platform: str | None, name: str) -> Arrival:
    """The image for `platform` that the document leads to, with its config. Refused for what is no image, or leads nowhere."""
    seen: set[str] = set()
    found = oci.read_manifest(data, media_type, f"the manifest of {name}")
    while isinstance(found, oci.Index):
        seen.add(sha256(data))
        if len(seen) > _DEPTH:
            raise Refused(f"{name} is an index of indexes more than {_DEPTH} deep")
        chosen = platforms.choose(found, platform)
        if chosen.digest in seen:
            raise Refused(f"{name} is an index that leads back to itself")
        data = _document(provider, chosen)
        found = oci.read_manifest(data, chosen.media_type, f"manifest {chosen.digest}")
    config_data = _document(provider, found.config)
    config = oci.read_config(config_data, f"config {found.config.digest}")
    if len(config.diff_ids) != len(found.layers):
        raise Refused(f"{name} has {len(found.layers)} layers, and its config speaks of {len(config.diff_ids)}")
    if not config.diff_ids:
        raise Refused(f"{name} has no layers: there is nothing in it")
    if config.os != "linux":
        raise Refused(f"{name} is for {config.os[:40]!a}: containers here are for linux")
    return Arrival(data=data, manifest=found, config_data=config_data, config=config)


def _document(provider: Provider, descriptor: Descriptor) -> bytes:
    if descriptor.size > DOCUMENT:
        raise Refused(f"document {descriptor.digest} has {descriptor.size} bytes: {DOCUMENT} are read")
    data = provider.document(descriptor)
    if len(data) != descriptor.size:
        raise Refused(
            f"document {descriptor.digest} has {len(data)} bytes, not {descriptor.size} as its descriptor says"
        )
    if sha256(data) != descriptor.digest:
        raise Refused(f"document {descriptor.digest} has another content than its digest says: {sha256(data)}")
    return data


def _warnings(name: str, config: Config, platform: str | None) -> tuple[str, ...]:
    wanted, given = platforms.parse(platform), (config.os, config.architecture)
    if wanted[:2] == given:
        return ()
    return (f"image {name} is for {'/'.join(given)}, not for {platforms.show(wanted)}",)


def _plan(
    paths: Paths, name: str, arrival: Arrival, provider: Provider, there: Line | None, source: dict[str, Any],
    limits: Limits, progress: Report, what: str,
) -> Plan:  # fmt: skip
    ident = arrival.manifest.config.digest
    after = facts.state_of(name, arrival.digest, ident, arrival.config.document)
    before = facts.state_before(paths, name, there)
    if before == after:
        return Plan(before=before, after=after)

    def run() -> None:
        try:
            _bring(paths, name, arrival, provider, source, limits, progress, what)
        except OSError as error:
            raise from_os(error, f"make image {name}") from error

    return Plan(before=before, after=after, steps=(Step(what=f"add image {name}", run=run),))


def _bring(
    paths: Paths, name: str, arrival: Arrival, provider: Provider, source: dict[str, Any], limits: Limits,
    progress: Report, what: str,
) -> None:  # fmt: skip
    with Staging(paths, "arrival") as place:
        wanted = _missing(paths, arrival, progress, what)
        unpacked = _unpack(paths, place, arrival, wanted, provider, limits, progress, what)
        _settle(paths, arrival, unpacked)
        documents = Documents(
            manifest=arrival.data, config=arrival.config_data, diff_ids=arrival.config.diff_ids,
            layers=tuple(item.digest for item in arrival.manifest.layers),
        )  # fmt: skip
        addition = Addition(
            name=name, documents=documents, layer=None, source=source, media_type=arrival.manifest.media_type,
            arrived=tuple((item.layer, arrival.chains[number]) for number, item in sorted(unpacked.items())),
        )  # fmt: skip
        add(paths, place, addition)


def _missing(paths: Paths, arrival: Arrival, progress: Report, what: str) -> list[int]:
    """The numbers of the layers that the store lacks as a blob or as a tree, or has damaged."""
    wanted, marked = [], marks.read(paths)
    proved: set[tuple[str, str]] | None = None
    for number, (layer, one) in enumerate(zip(arrival.manifest.layers, arrival.chains)):
        has_tree = one not in marked.layers and os.path.isdir(f"{layers.directory(paths, one)}/diff")
        # That the store has this blob and that tree does not say that the one unpacks to the other.
        diff_id = arrival.config.diff_ids[number]
        is_there = has_tree and _has_blob(paths, layer, marked)
        if is_there and layer.digest != diff_id:
            proved = _proved(paths) if proved is None else proved
            is_there = (layer.digest, diff_id) in proved
        if not is_there:
            wanted.append(number)
        state = THERE if is_there else WAITING
        progress(Event(what=what, digest=layer.digest, done=0, total=layer.size, state=state))
    return wanted


def _proved(paths: Paths) -> set[tuple[str, str]]:
    """(digest of a blob, diff id) of all layers of the images that the store has: unpacking them showed that they belong together."""
    found: set[tuple[str, str]] = set()
    for digest in {item["digest"] for item in layout.read_index(paths)}:
        try:
            manifest = read_document(paths, digest)
            diff_ids = read_document(paths, manifest["config"]["digest"])["rootfs"]["diff_ids"]
            found.update(zip((layer["digest"] for layer in manifest["layers"]), diff_ids))
        except (EngineError, KeyError, TypeError):
            continue  # one that is damaged proves nothing
    return found


def _has_blob(paths: Paths, layer: Descriptor, marked: marks.Marks) -> bool:
    """Whether the store's blob may be relied upon; one of another length was cut, or the manifest lies, which fetching it shows."""
    return layer.digest not in marked.blobs and stored.size(paths, layer.digest) == layer.size


def _unpack(
    paths: Paths, place: Staging, arrival: Arrival, wanted: list[int], provider: Provider, limits: Limits,
    progress: Report, what: str,
) -> dict[int, ingest.Unpacked]:  # fmt: skip
    parts, marked = arrival.manifest.layers, marks.read(paths)

    def task(number: int) -> workers.Task:
        layer, home = parts[number], f"{place.path}/{number}"
        arriving = ingest.Arriving(digest=layer.digest, size=layer.size, diff_id=arrival.config.diff_ids[number])

        def work(told: workers.Told) -> tuple[ingest.Unpacked, dict[str, str]]:
            own = _unpack_own(paths, arriving, f"{home}-own", limits, told) if _has_blob(paths, layer, marked) else None
            return own or _ingest(provider, layer, arriving, home, limits, told), provider.news()

        return workers.Task(name=f"unpack layer {layer.digest}", work=work)

    def told(at: int, done: int) -> None:
        layer = parts[wanted[at]]
        is_done = done < 0
        progress(Event(what=what, digest=layer.digest, done=layer.size if is_done else done, total=layer.size,
                       state=DONE if is_done else RUNNING))  # fmt: skip

    unpacked = {}
    for number, (one, news) in zip(wanted, workers.run([task(number) for number in wanted], told)):
        unpacked[number] = one
        provider.learn(news)
    return unpacked


def _ingest(
    provider: Provider, layer: Descriptor, arriving: ingest.Arriving, home: str, limits: Limits, told: workers.Told
) -> ingest.Unpacked:  # fmt: skip
    """What turns out wrong comes again from elsewhere, as long as there is an elsewhere. The rest of it goes with the staging."""
    tried = 0
    while True:
        tried += 1
        place = f"{home}-{tried}"
        os.mkdir(place, 0o700)
        try:
            return ingest.ingest(arriving, provider.blob(layer), place, limits, told)
        except Refused as error:
            if not provider.distrust(error):
                raise


def _unpack_own(
    paths: Paths, arriving: ingest.Arriving, home: str, limits: Limits, told: workers.Told
) -> ingest.Unpacked | None:
    """From the blob that the store has; None when that is damaged, which is found here, or refused as that of the source will be."""
    os.mkdir(home, 0o700)
    try:
        with stored.open_blob(paths, arriving.digest) as blob:
            return ingest.ingest(arriving.replace(keep=False), blob.blocks(), home, limits, told)
    except (Damaged, Refused):
        return None


def _settle(paths: Paths, arrival: Arrival, unpacked: dict[int, ingest.Unpacked]) -> None:
    """From the lowest up: what each new layer's whiteouts and implied directories mean, now that those below it are there."""
    stack: tuple[str, ...] = ()
    for number, one in enumerate(arrival.chains):
        arrived = unpacked.get(number)
        home = f"{arrived.layer.home}/layer" if arrived else layers.directory(paths, one)
        if arrived and ingest.settled(arrived, stack):
            layers.mark_opaque(arrived.layer.home)
        is_opaque = os.path.exists(f"{home}/{layers.OPAQUE_MARK}")
        stack = (f"{home}/diff", *(() if is_opaque else stack))
