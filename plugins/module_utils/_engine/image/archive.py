# SPDX-License-Identifier: GPL-3.0-or-later
"""Images in a file or directory of the host: OCI layouts and `docker save` archives, compressed or not. Any other tar is a layer."""

from __future__ import annotations

import contextlib
import os

from .. import mediatypes
from ..answer import Answer
from ..digests import hex_of, sha256
from ..errors import InvalidSpec, NotFound, Refused, from_os
from ..progress import silent
from ..records import write_all
from ..storage import fingerprint, layout, members, oci
from ..storage.limits import Limits
from ..storage.stream import open_archive, unpacked_blocks
from ..values import Value
from . import facts, saved
from .arrive import OnlyWay, arrive
from .naming import source_of
from .reference import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..paths import Paths
    from ..progress import Report
    from ..storage.members import Members
    from ..storage.oci import Descriptor
    from .arrive import Provider

_OWN_NAMES = ("io.containerd.image.name", layout.NAME)
_LAYOUT = ("oci-layout", "index.json")


class Wish(Value):
    """Which archive, and what of it: `reference` chooses among several images, `platform` among an index's. `options` are those
    for a layer's config, which an image has itself. One that has not changed since is not read again, unless `force`."""

    path: str
    reference: str | None = None
    platform: str | None = None
    options: tuple[str, ...] = ()
    limits: Limits = Limits()
    force: bool = False


class Found(Value):
    """One image of an archive: the names that it has there, its manifest or index, and where the rest comes from."""

    names: tuple[str, ...]
    data: bytes
    media_type: str
    provider: Provider


class Layout(OnlyWay):
    """The provider for an OCI image layout."""

    def __init__(self, files: Members) -> None:
        self._files = files

    def document(self, descriptor: Descriptor) -> bytes:
        return members.document(self._files, _blob(descriptor))

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        return self._files.blocks(_blob(descriptor))


def _blob(descriptor: Descriptor) -> str:
    return f"blobs/sha256/{hex_of(descriptor.digest)}"


def load(paths: Paths, name: str, wish: Wish, *, check: bool, progress: Report = silent) -> Answer | None:
    """Let the image in the archive be called `name` (normalised); None when the archive is no more than one layer."""
    with open_members(paths, wish.path, wish.limits) as (files, mark):
        if files is None:
            return None
        if wish.options:
            given = ", ".join(sorted(wish.options))
            raise InvalidSpec(f"{files.what} has an image with settings of its own: leave out {given}")
        source: dict[str, object] = {
            "key": f"archive:{wish.path}", "fingerprint": mark, "reference": wish.reference, "platform": wish.platform
        }  # fmt: skip
        if mark and not wish.force and (answer := _unchanged(paths, name, source)):
            return answer
        found = choose(files, wish.reference, name)
        return arrive(
            paths, name, found.provider, found.data, found.media_type, source=source, check=check, limits=wish.limits,
            progress=progress, platform=wish.platform, what="load",
        )  # fmt: skip


def _unchanged(paths: Paths, name: str, source: dict[str, object]) -> Answer | None:
    there = layout.called(layout.read_index(paths), name)
    if there is None or source_of(there) != source or not facts.is_intact(paths, there):
        return None
    state = facts.state_before(paths, name, there)
    return Answer(before=state, after=state, result={"image": facts.describe(paths, there)})


def names(paths: Paths, path: str) -> list[str]:
    """What the images in the archive are called there, normalised; none for a plain layer."""
    with open_members(paths, path, Limits()) as (files, _unused):
        return [name for found in images(files) for name in found.names] if files else []


@contextlib.contextmanager
def open_members(paths: Paths, path: str, limits: Limits) -> Iterator[tuple[Members | None, str]]:
    """The files of the archive, None for a plain layer, and its fingerprint ("" when it has none)."""
    if not path.startswith("/") or "\0" in path:
        raise InvalidSpec(f"archive {path!a} is no absolute path")
    what = f"archive {path!a}"
    with contextlib.ExitStack() as held:
        if os.path.isdir(path):
            root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            held.callback(os.close, root)
            directory = members.Directory(root, what)
            if not directory.has("oci-layout") and not directory.has("manifest.json"):
                raise Refused(f"{what} is a directory and no OCI image layout: it has no file oci-layout")
            yield directory, ""
            return
        descriptor = held.enter_context(open_archive(path, "archive"))
        mark = fingerprint.of_file(descriptor)
        plain = _uncompressed(paths, held, descriptor, limits, what)
        tar = members.Tar(plain, what, saved.fits) if plain >= 0 else None
        yield (tar if tar and tar.is_archive else None), mark


def _uncompressed(paths: Paths, held: contextlib.ExitStack, descriptor: int, limits: Limits, what: str) -> int:
    """The tar itself, or a nameless file with what it unpacks to; -1 when its beginning is a layer's already."""
    if os.pread(descriptor, 265, 0)[257:262] == b"ustar":
        return descriptor
    blocks = unpacked_blocks(descriptor, limits, what)
    start = next(blocks, b"")
    while len(start) < 512 and (block := next(blocks, b"")):
        start += block
    if not saved.fits(os.fsdecode(start[:100].partition(b"\0")[0]).removeprefix("./").rstrip("/")):
        return -1
    place = paths.staging if os.path.isdir(paths.staging) else "/var/tmp"
    try:
        scratch = os.open(place, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        held.callback(os.close, scratch)
        write_all(scratch, start)
        for block in blocks:
            write_all(scratch, block)
    except OSError as error:
        raise from_os(error, f"decompress {what} in {place}") from error
    return scratch


def images(files: Members) -> list[Found]:
    """Every image of the archive."""
    if all(map(files.has, _LAYOUT)):
        return _of_layout(files)
    if files.has("manifest.json"):
        return [_saved(files, item) for item in saved.read(files)]
    if files.has("repositories"):
        return [_saved(files, item) for item in saved.read_legacy(files)]
    raise Refused(f"{files.what} is no archive of images: it has no index.json and no manifest.json")


def choose(files: Members, reference: str | None, name: str) -> Found:
    """The image that `reference` means, or the one called `name` (normalised), or the only one. InvalidSpec, NotFound, Refused."""
    return _chosen(images(files), reference, name, files.what)


def _saved(files: Members, item: saved.Item) -> Found:
    return Found(
        names=_normal(item.names), data=item.manifest, media_type=mediatypes.MANIFEST, provider=saved.Saved(files, item)
    )


def _of_layout(files: Members) -> list[Found]:
    oci.read_layout(members.document(files, "oci-layout"), f"oci-layout of {files.what}")
    data = members.document(files, "index.json")
    index = oci.read_manifest(data, "", f"index.json of {files.what}")
    if not isinstance(index, oci.Index):
        raise Refused(f"index.json of {files.what} is no index")
    provider = Layout(files)
    named = [item for item in index.manifests if _names(item)]
    if not named and len(index.manifests) > 1:
        return [Found(names=(), data=data, media_type=mediatypes.INDEX, provider=provider)]
    return [_found(files, provider, item) for item in index.manifests]


def _found(files: Members, provider: Layout, item: Descriptor) -> Found:
    data = members.document(files, _blob(item))
    if len(data) != item.size or sha256(data) != item.digest:
        raise Refused(f"{files.what} has another content for manifest {item.digest} than its digest and size say")
    return Found(names=_normal(_names(item)), data=data, media_type=item.media_type, provider=provider)


def _names(item: Descriptor) -> tuple[str, ...]:
    return tuple(item.annotations[key] for key in _OWN_NAMES if item.annotations.get(key))


def _normal(given: tuple[str, ...]) -> tuple[str, ...]:
    """The names as this engine writes them, and as they were given: a layout's may be a tag alone."""
    found = []
    for name in given:
        try:
            found.append(parse(name).name)
        except InvalidSpec:
            found.append(name)
    return tuple(dict.fromkeys(found))


def _chosen(found: list[Found], reference: str | None, name: str, what: str) -> Found:
    if not found:
        raise Refused(f"{what} has no image in it")
    wanted = reference if reference is not None else name
    if wanted.startswith("sha256:"):
        fitting = [item for item in found if sha256(item.data) == wanted]
    else:
        fitting = [item for item in found if set(_normal((wanted,))) & set(item.names)]
    if reference is None and len({item.data for item in found}) == 1:
        return found[0]
    if len({item.data for item in fitting}) == 1:
        return fitting[0]
    shown = ", ".join(sorted({one for item in found for one in item.names[:1]})[:20]) or "images without a name"
    if reference is None:
        raise InvalidSpec(f"{what} has {len(found)} images ({shown}): choose one with archive_reference")
    raise NotFound(f"{what} has no image {reference!a}: it has {shown}")
