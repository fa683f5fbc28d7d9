# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb container_image: an image is there as described, or is not there."""

from __future__ import annotations

import os

from ..errors import InvalidSpec
from ..progress import named, silent
from ..storage import platforms, staging
from ..storage.limits import Limits
from ..undo import Undo
from ..units import parse_size
from ..values import Value
from .config import read_options
from .naming import name_lock
from .pull import pull, read_wish
from .reference import parse, parse_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..answer import Answer
    from ..paths import Paths
    from ..progress import Report


_ORIGINS = ("rootfs", "bootstrap", "archive")


class Spec(Value):
    """What the user asked for. `options` are the OCI config fields that were given. `force`: read the source again even
    though nothing points to a change; remove the image even though it is in use."""

    name: str
    state: str = "present"
    rootfs: str | None = None
    bootstrap: str | None = None
    archive: str | None = None
    platform: str | None = None
    options: dict[str, Any] = {}
    force: bool = False
    limits: Limits = Limits()


def container_image(paths: Paths, params: dict[str, Any], *, check: bool, progress: Report = silent) -> Answer:
    """Make the image, pull it, or remove it. The result's `image` is as container_image_info gives it, {} when there is none."""
    spec = read_spec(params)
    if not check:
        paths.prepare()
        staging.sweep(paths)
    if spec.state == "absent":
        from .remove import remove

        return remove(paths, spec.name, force=spec.force, check=check)
    reference = parse(spec.name)
    progress = named(progress, reference.name)
    wish = None
    if all(params.get(option) is None for option in ("rootfs", "bootstrap", "archive")):
        wish = read_wish(reference, params)
    elif reference.digest:
        raise InvalidSpec(f"image name {spec.name!a} has a digest: an image that is made here gets its own")
    with Undo() as held:
        if os.path.isdir(paths.locks):
            held.enter(name_lock(paths, reference.name))
        if wish:
            return pull(paths, wish, spec.limits, check=check, progress=progress)
        from .make import ensure

        return ensure(paths, spec, reference, params, check=check, progress=progress)


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
    platforms.parse(params.get("platform"))
    options = read_options(params)
    if options and rootfs is None and bootstrap is None and archive is None and state == "present":
        raise InvalidSpec(
            "config options need rootfs, bootstrap or a layer as archive: an image that is there is not changed by name alone"
        )
    return Spec(
        name=str(name), state=state, rootfs=rootfs, bootstrap=bootstrap, archive=archive, options=options, force=bool(params.get("force")),
        limits=_limits(params), platform=params.get("platform"),
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
