# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb container_image_dedupe: what layers and containers have twice they have once afterwards, and nobody can tell."""

from __future__ import annotations

import os

from ..answer import Answer
from ..errors import EngineError, InvalidSpec, NotFound, from_os
from ..image.resolve import resolve
from ..storage import derive, extents, redundant, share, stored
from ..storage.disk import shares_extents
from ..storage.staging import Staging
from ..values import Value
from . import record as records
from .recover import recover

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths
    from .record import Record


BLOBS = ("derive", "keep", "restore")


class _Finding(Value):
    twins: tuple[share.Twin, ...]
    copies: tuple[tuple[Record, tuple[redundant.Copy, ...]], ...]
    pairs: tuple[extents.Pair, ...]
    spares: tuple[derive.Spare, ...]

    def counts(self) -> dict[str, dict[str, int]]:
        """Files and bytes of each kind."""
        kinds = {
            "linked": [twin.size for twin in self.twins],
            "dropped": [copy.size for _record, copies in self.copies for copy in copies],
            "reflinked": [pair.size for pair in self.pairs],
            "derived": [spare.size for spare in self.spares],
        }
        return {kind: {"files": len(sizes), "bytes": sum(sizes)} for kind, sizes in kinds.items()}


def container_image_dedupe(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """Link files that are equal at the same path of several layers; drop files of stopped containers that equal the image's.

    Layers below a running container only lend their files, and its own files are left alone. On btrfs and xfs, equal files of
    layers and of all containers share their blocks, too. Uncompressed blobs that their trees give byte for byte go: whoever
    reads one has it made. `containers` (default true) false: only layers. `blobs`: derive (default), keep, or restore, which only
    makes files of such blobs again. The result has files and bytes `linked`, `dropped`, `reflinked`, `derived` (and `restored`),
    and `bytes_freed`. Changes nothing that can be seen in any container.
    """
    own, wish = params.get("containers") is not False, params.get("blobs") or BLOBS[0]
    if wish not in BLOBS:
        raise InvalidSpec(f"blobs: {wish!a} is none of {', '.join(BLOBS)}")
    if not check:
        recover(paths)
    try:
        if wish == "restore":
            return _restore(paths, check=check)
        if check:
            return _answer(_look(paths, None, own=own, deriving=wish == "derive"))
        with Staging(paths, "dedupe") as place:
            finding = _look(paths, place, own=own, deriving=wish == "derive")
            _apply(paths, place, finding)
        return _answer(finding)
    except OSError as error:
        raise from_os(error, f"share files below {paths.root}") from error


def _answer(finding: _Finding) -> Answer:
    found = finding.counts()
    freed = sum(item["bytes"] for item in found.values())
    none = {kind: {"files": 0, "bytes": 0} for kind in found}
    return Answer(changed=found != none, before=found, after=none, result={**found, "bytes_freed": freed})


def _restore(paths: Paths, *, check: bool) -> Answer:
    wanted = derive.away(paths)
    sizes = [stored.size(paths, digest) for digest in wanted]
    if not check and wanted:
        with Staging(paths, "restore") as place:
            for digest in wanted:
                derive.restore(paths, place, digest)
    nothing = _Finding(twins=(), copies=(), pairs=(), spares=()).counts()
    count = {"files": len(wanted), "bytes": sum(sizes)}
    return Answer(
        changed=bool(wanted), before={"derived": wanted}, after={"derived": []},
        result={**nothing, "restored": count, "bytes_freed": 0},
    )  # fmt: skip


def _apply(paths: Paths, place: Staging, finding: _Finding) -> None:
    share.link(paths, place, finding.twins, lambda: _busy(paths))
    for record, copies in finding.copies:
        _drop(paths, place, record, list(copies))
    derive.drop(paths, list(finding.spares))
    extents.share(finding.pairs)


def _look(paths: Paths, place: Staging | None, *, own: bool, deriving: bool) -> _Finding:
    busy = _busy(paths)
    twins = share.twins(paths, busy)
    copies = tuple((record, tuple(_copies(paths, record))) for record in records.every(paths)) if own else ()
    pairs: list[extents.Pair] = []
    if shares_extents(paths.root):
        uppers = [f"{paths.container(ident)}/upper" for ident in os.listdir(paths.containers)] if own else []
        going = {f"{paths.layers}/{twin.chain}/diff/{os.fsdecode(twin.path)}" for twin in twins}
        going |= {
            f"{paths.container(record.id)}/upper/{os.fsdecode(copy.path)}" for record, items in copies for copy in items
        }
        pairs = extents.pairs([paths.layers, *uppers], without=going)
    spares = derive.spares(paths, place) if deriving else []
    return _Finding(twins=tuple(twins), copies=copies, pairs=tuple(pairs), spares=tuple(spares))


def _busy(paths: Paths) -> frozenset[str]:
    """The layers that running containers stand on."""
    found: set[str] = set()
    for record in records.every(paths):
        if record.state(paths).status == "running":
            found |= {os.path.basename(os.path.dirname(tree)) for tree in _lowers(paths, record)}
    return frozenset(found)


def _lowers(paths: Paths, record: Record) -> tuple[str, ...]:
    try:
        return resolve(paths, record.image_digest).layers
    except EngineError:
        return ()


def _copies(paths: Paths, record: Record) -> list[redundant.Copy]:
    lowers, upper = _lowers(paths, record), f"{paths.container(record.id)}/upper"
    if not lowers or not os.path.isdir(upper) or record.state(paths).status == "running":
        return []
    return redundant.copies(upper, lowers)


def _drop(paths: Paths, place: Staging, record: Record, copies: list[redundant.Copy]) -> None:
    if not copies:
        return
    try:
        with records.lock(paths, record):
            # It may have been started and changed since.
            still = set(_copies(paths, record))
            redundant.drop(place, f"{paths.container(record.id)}/upper", [copy for copy in copies if copy in still])
    except NotFound:
        return
