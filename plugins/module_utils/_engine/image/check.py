# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb system_check: every blob is hashed again, every layer held against its blob, every document and record read."""

from __future__ import annotations

import os

from ..answer import Answer
from ..digests import chain, is_digest, sha256
from ..errors import Damaged, EngineError
from ..records import read_record
from ..storage import check as checking
from ..storage import collect, derived, layers, layout, marks, oci, stored
from ..storage.blobs import path_of, read
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths
    from ..storage.layout import Descriptor

INDEX, LAYOUT, RECORD, BLOB, LAYER, IMAGE = "index", "layout", "record", "blob", "layer", "image"


class Problem(Value):
    """`kind` and `name` say which thing is damaged, `what` how; `images` are the names or digests of the images that it is in.

    `chain` is a layer's, with what is needed to make it again: its blob's digest and the chains below, topmost first.
    """

    kind: str
    name: str
    what: str
    path: str
    images: tuple[str, ...] = ()
    blob: str = ""
    lowers: tuple[str, ...] = ()

    def describe(self) -> dict[str, Any]:
        """As an answer has it."""
        return {"kind": self.kind, "name": self.name, "problem": self.what, "images": list(self.images)}


class Survey(Value):
    """What was found, and how much was looked at."""

    problems: tuple[Problem, ...]
    blobs: int
    layers: int
    size: int
    unread: tuple[str, ...] = ()


def system_check(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """Look at everything in the store; with `repair`, make damaged layers again from their blobs and set aside what can't be.

    Without, what is damaged is marked, so that nothing is served from it until it is whole; with `check` nothing is written.
    The result: `problems` (kind, name, problem, images), `repaired` and `set_aside` (the same, and what brings it back), `ok`
    (nothing is damaged any more). Holds no lock while it reads. What is set aside is in damaged/ below the root.
    """
    repair = bool(params.get("repair"))
    if repair and not check:
        collect.recover(paths)
    survey = look(paths)
    described = [problem.describe() for problem in survey.problems]
    result: dict[str, Any] = {
        "problems": described, "repaired": [], "set_aside": [], "ok": not described,
        "checked": {"blobs": survey.blobs, "layers": survey.layers, "bytes": survey.size},
    }  # fmt: skip
    if repair and described and not check:
        from .repair import repair as mend

        repaired, aside = mend(paths, survey.problems)
        result.update(repaired=repaired, set_aside=aside, ok=not aside)
    # After a repair, what was damaged is whole or away.
    marked = _mark(paths, marks.NONE if repair else _marks(survey), check=check)
    return Answer(
        changed=marked or (repair and bool(described)),
        before={"problems": described},
        after={"problems": [] if repair else described},
        result=result,
        warnings=survey.unread,
    )


def _mark(paths: Paths, wanted: marks.Marks, *, check: bool) -> bool:
    """Remember what is damaged, and forget what was; whether that is another thing than before."""
    try:
        if marks.read(paths) == wanted:
            return False
    except Damaged:
        pass  # what was noted before is damaged itself, and replaced
    if not check:
        with layout.changing(paths):
            marks.write(paths, wanted)
    return True


def _marks(survey: Survey) -> marks.Marks:
    """What must not be served: damaged layers and blobs that are there. Documents are verified whenever they are read, too."""
    there = [item for item in survey.problems if os.path.lexists(item.path)]
    return marks.Marks(
        layers={item.name: item.what for item in there if item.kind == LAYER and item.blob},
        blobs={item.name: item.what for item in there if item.kind == BLOB},
    )


def look(paths: Paths) -> Survey:
    """Everything that is wrong with the store now. An image that is removed meanwhile is no problem."""
    looker = _Looker(paths)
    looker.look()
    problems = looker.problems
    if problems:
        # What was removed while we read is not damaged: believe only what is still so.
        still = {item["digest"] for item in _index_or_none(paths) or []}
        gone = looker.digests - still
        problems = [item for item in problems if not (item.images and gone and looker.only_in(item, gone))]
    return Survey(
        problems=tuple(problems), blobs=looker.blobs, layers=looker.layers, size=looker.size, unread=tuple(looker.unread)
    )  # fmt: skip


def _index_or_none(paths: Paths) -> list[Descriptor] | None:
    try:
        return layout.read_index(paths, sealed=False)
    except EngineError:
        return None


class _Looker:
    def __init__(self, paths: Paths) -> None:
        self.problems: list[Problem] = []
        self.digests: set[str] = set()
        self.unread: list[str] = []
        self.blobs = self.layers = self.size = 0
        self._paths = paths
        self._names: dict[str, list[str]] = {}
        self._seen: dict[str, str] = {}
        self._in: dict[tuple[str, str], set[str]] = {}
        self._done: set[tuple[str, str]] = set()

    def only_in(self, problem: Problem, digests: set[str]) -> bool:
        """Whether only these images have that thing."""
        return self._in.get((problem.kind, problem.name), {""}) <= digests

    def look(self) -> None:
        self._look_at_layout()
        descriptors = self._look_at_index()
        for item in descriptors:
            self._names.setdefault(item["digest"], []).append(layout.name_of(item) or item["digest"])
        self.digests = set(self._names)
        for item in {item["digest"]: item for item in descriptors}.values():
            self._look_at_image(item)
        self._look_at_rest()
        self._look_at_records()

    def _add(self, kind: str, name: str, what: str, path: str, image: str = "", **more: Any) -> None:
        if image:
            self._in.setdefault((kind, name), set()).add(image)
        for at, known in enumerate(self.problems):
            if (known.kind, known.name) == (kind, name):
                names = tuple(dict.fromkeys((*known.images, *self._names.get(image, ()))))
                self.problems[at] = known.replace(images=names)
                return
        images = tuple(self._names.get(image, ()))
        self.problems.append(Problem(kind=kind, name=name, what=what, path=path, images=images, **more))

    def _look_at_layout(self) -> None:
        path = f"{self._paths.root}/oci-layout"
        if not os.path.exists(f"{self._paths.root}/index.json") and not os.path.exists(path):
            return
        try:
            with open(path, "rb") as file:
                oci.read_layout(file.read(4096), "it")
        except (OSError, EngineError) as error:
            self._add(LAYOUT, "oci-layout", _reason(error), path)

    def _look_at_index(self) -> list[Descriptor]:
        path = f"{self._paths.root}/index.json"
        try:
            descriptors = layout.read_index(self._paths, sealed=False)
        except EngineError as error:
            self._add(INDEX, "index.json", str(error), path)
            return []
        if not os.path.exists(path) and (os.listdir(self._paths.blobs) or os.listdir(self._paths.layers)):
            self._add(INDEX, "index.json", "it is not there", path)
        elif not layout.is_sealed(self._paths):
            self._add(
                INDEX, "index.json", "its content is not what was written: a name or a digest in it may be wrong", path
            )
        good = [item for item in descriptors if is_digest(item["digest"])]
        if len(good) != len(descriptors):
            self._add(INDEX, "index.json", "it names something that is no digest", path)
        return good

    def _look_at_image(self, item: Descriptor) -> None:
        digest = item["digest"]
        if not self._blob(digest, digest):
            return
        try:
            data = read(self._paths, digest)
            manifest = oci.read_manifest(data, "", "the manifest")
            if not isinstance(manifest, oci.Manifest):
                self._add(IMAGE, digest, "it is an index, not an image", path_of(self._paths, digest), digest)
                return
        except EngineError as error:
            self._add(BLOB, digest, str(error), path_of(self._paths, digest), digest)
            return
        if item.get("size") != len(data):
            self._add(INDEX, "index.json", f"it gives {digest} another size", f"{self._paths.root}/index.json", digest)
        ident = manifest.config.digest
        if not self._blob(ident, digest):
            for layer in manifest.layers:
                self._layer_blob(layer.digest, digest)
            return
        try:
            diff_ids = oci.read_config(read(self._paths, ident), "the config").diff_ids
        except EngineError as error:
            self._add(BLOB, ident, str(error), path_of(self._paths, ident), digest)
            return
        if len(diff_ids) != len(manifest.layers):
            what = f"its manifest has {len(manifest.layers)} layers and its config {len(diff_ids)}"
            self._add(IMAGE, digest, what, path_of(self._paths, digest), digest)
            return
        self._look_at_chains(item, diff_ids)
        self._look_at_layers(manifest, diff_ids, digest)

    def _look_at_chains(self, item: Descriptor, diff_ids: tuple[str, ...]) -> None:
        noted = layout.annotations_of(item).get(layout.CHAINS)
        if noted is not None and noted != " ".join(chain(diff_ids)):
            what = f"it notes other layers for {item['digest']}"
            self._add(INDEX, "index.json", what, f"{self._paths.root}/index.json", item["digest"])

    def _look_at_layers(self, manifest: oci.Manifest, diff_ids: tuple[str, ...], image: str) -> None:
        below: list[str] = []
        for layer, diff_id, chain_id in zip(manifest.layers, diff_ids, chain(diff_ids)):
            self._look_at_layer(layer.digest, diff_id, chain_id, tuple(reversed(below)), image)
            below.append(chain_id)

    def _look_at_layer(self, blob: str, diff_id: str, chain_id: str, lowers: tuple[str, ...], image: str) -> None:
        home, path = layers.directory(self._paths, chain_id), stored.place(self._paths, blob)
        key = (blob, chain_id)
        if key in self._done:
            for problem in [item for item in self.problems if item.name in key]:
                self._add(problem.kind, problem.name, "", "", image)
            return
        self._done.add(key)
        self.layers += 1
        trees = tuple(f"{layers.directory(self._paths, item)}/diff" for item in lowers)
        there = tuple(item for item in trees if os.path.isdir(item))
        found = checking.check_layer(self._paths, blob, diff_id, home, there)
        if there != trees and os.path.isdir(f"{home}/diff"):
            # What a layer looks like hangs on those below: they come first, and a second look tells about this one.
            found = found.replace(tree="")
        if found.unread:
            self.unread.append(f"layer {chain_id} was not compared with its blob: {found.unread}")
        if self._seen.setdefault(blob, found.blob) == found.blob and not found.blob:
            self.blobs += 1
            self.size += stored.size(self._paths, blob)
        if found.blob:
            self._add(BLOB, blob, found.blob, path, image)
            what = "nothing vouches for it, its blob is damaged" if os.path.isdir(f"{home}/diff") else "it is not there"
            self._add(LAYER, chain_id, what, home, image, blob=blob, lowers=lowers)
        elif found.tree:
            self._add(LAYER, chain_id, found.tree, home, image, blob=blob, lowers=lowers)

    def _blob(self, digest: str, image: str) -> bool:
        path = path_of(self._paths, digest)
        if digest not in self._seen:
            self.blobs += 1
            actual = checking.digest_of(path)
            wrong = "" if actual == digest else f"its content has the digest {actual}" if actual else "it is not there"
            self._seen[digest] = wrong
            self.size += os.lstat(path).st_size if actual else 0
        if self._seen[digest]:
            self._add(BLOB, digest, self._seen[digest], path, image)
        return not self._seen[digest]

    def _layer_blob(self, digest: str, image: str) -> None:
        path = stored.place(self._paths, digest)
        if digest not in self._seen:
            self.blobs += 1
            self._seen[digest] = checking.check_blob(self._paths, digest)
        if self._seen[digest]:
            self._add(BLOB, digest, self._seen[digest], path, image)

    def _look_at_rest(self) -> None:
        """Blobs that no image has are leftovers, yet one whose content is another's is damaged all the same."""
        for name in sorted(os.listdir(self._paths.blobs)):
            digest, path = f"sha256:{name}", f"{self._paths.blobs}/{name}"
            if not is_digest(digest):
                self._add(BLOB, name, "its name is no digest", path)
            elif digest not in self._seen and checking.digest_of(path) not in (digest, "") and os.path.exists(path):
                self._add(BLOB, digest, "its content has another digest", path)
        for name in derived.names(self._paths):
            if not is_digest(f"sha256:{name}"):
                self._add(BLOB, name, "its name is no digest", f"{self._paths.root}/derived/{name}")
        for name in sorted(os.listdir(self._paths.layers)):
            if not is_digest(f"sha256:{name}"):
                self._add(LAYER, name, "its name is no chain id", f"{self._paths.layers}/{name}")

    def _look_at_records(self) -> None:
        try:
            known = {item["digest"] for item in layout.read_index(self._paths, sealed=False)}
        except EngineError:
            known = set()
        for ident in sorted(os.listdir(self._paths.containers)):
            path = f"{self._paths.container(ident)}/record.json"
            try:
                digest = read_record(path)["image_digest"]
            except (EngineError, KeyError, OSError) as error:
                if os.path.isdir(self._paths.container(ident)):
                    self._add(RECORD, ident, _reason(error), path)
                continue
            if known and digest not in known:
                self._add(RECORD, ident, f"its image {digest} is not in the index", path)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"it can't be read: {error.strerror}"
    return str(error)


def whole(paths: Paths, digest: str) -> bool:
    """Whether that small blob is what its name says."""
    try:
        return sha256(read(paths, digest)) == digest
    except EngineError:
        return False
