# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that exists but does not run: built in staging, there from the moment it is renamed into place."""

from __future__ import annotations

import os
import time

from ..errors import Conflict, from_os
from ..locks import DirectoryLock
from ..names import new_id
from ..paths import Paths
from ..security import idranges
from ..storage import layout
from ..storage.staging import Staging
from ..undo import Undo
from . import record as records
from .checking import check
from .record import Record
from .spec import Spec, shares

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..image.resolve import Image


def create(paths: Paths, spec: Spec, *, started_next: bool = False) -> Record:
    """Make the container. Conflict when the name is taken; an error leaves nothing behind.

    It lasts when this returns, unless it is `started_next`: a start settles it while the processes are being made.
    """
    record, lock = create_held(paths, spec)
    lock.release()
    if not started_next:
        records.settle(paths)
    return record


def create_held(paths: Paths, spec: Spec, *, instead_of: str = "") -> tuple[Record, DirectoryLock]:
    """The same with the container's lock, held from the first moment on: what else is to be done to it comes before anybody.

    The caller settles it, or starts it. Another container of the same name is no Conflict when it is `instead_of`.
    """
    # What the image is made of may not be collected before the record says that it is in use.
    with layout.reading(paths):
        image = check(paths, spec)
        with records.lock_name(paths, spec.name):
            other = records.find_by_name(paths, spec.name)
            if other and other.id != instead_of:
                raise Conflict(
                    f"container {spec.name} exists already ({other.id[:12]}): remove it first, or choose another name"
                )
            return _build(paths, spec, image)


def _build(paths: Paths, spec: Spec, image: Image) -> tuple[Record, DirectoryLock]:
    ident = new_id()
    try:
        with Staging(paths, f"container-{ident}") as staged, Undo() as undo:
            start = _range_of(paths, spec, ident)
            if start is not None:
                undo.later(lambda: idranges.release(paths, ident, start))
            for name in ("upper", "work", "logs", "bundle"):
                os.mkdir(f"{staged.path}/{name}", 0o755 if name == "upper" else 0o700)
            record = Record(
                id=ident,
                spec=spec,
                image=image.name,
                image_digest=image.digest,
                created=time.time(),
                id_start=start,
            )
            _copy_root_attributes(image.layers, f"{staged.path}/upper")
            records.write(record, staged.path, first=True)
            records.publish(paths, record, staged.path)
            undo.keep()
            lock = records.lock(paths, record)
            lock.take_over(staged.hand_over())
    except OSError as error:
        raise from_os(error, f"create container {spec.name}") from error
    return record, lock


def _range_of(paths: Paths, spec: Spec, ident: str) -> int | None:
    """The first host id of its user namespace."""
    if spec.userns_mode == "host":
        return None
    if shares(spec):
        from . import sharing

        return sharing.range_for(paths, spec, ident)
    return idranges.reserve(paths, ident)


def _copy_root_attributes(layers: tuple[str, ...], upper: str) -> None:
    """The upper directory is the container's "/" as far as mode and owner go."""
    below = os.stat(layers[0])
    os.chown(upper, below.st_uid, below.st_gid)
    os.chmod(upper, below.st_mode & 0o7777)
    os.utime(upper, ns=(below.st_atime_ns, below.st_mtime_ns))
