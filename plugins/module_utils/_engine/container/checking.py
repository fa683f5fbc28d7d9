# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a spec can become a container on this host, before anything is made."""

from __future__ import annotations

import os

from ..cgroup import hierarchy, limits
from ..cgroup.limits import Limits
from ..errors import InvalidSpec, NotFound
from ..image.resolve import resolve
from ..paths import Paths
from ..rootfs.mounts import Bind
from .processes import command_of
from .spec import Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..image.resolve import Image

_PIDS = 2048


def check(paths: Paths, spec: Spec) -> Image:
    """The image of `spec`, once everything that could make its first start impossible has been looked at."""
    image = resolve(paths, spec.image)
    asked = spec.pids_limit if spec.pids_limit is not None and spec.pids_limit > 0 else None
    limits.check(limits_of(spec).replace(pids=asked), hierarchy.mounted())
    if not command_of(spec, image.config):
        raise InvalidSpec(f"container {spec.name}: image {spec.image} names no command: give one")
    for bind in binds_of(spec):
        if not os.path.exists(bind.source):
            raise NotFound(f"bind source {bind.source} does not exist on this host: make it first")
    return image


def limits_of(spec: Spec) -> Limits:
    """The limits that the kernel is to hold: what was asked for, and a bound on processes for everybody."""
    pids = _PIDS if spec.pids_limit is None else spec.pids_limit
    return Limits(memory=spec.memory, cpus=spec.cpus, pids=None if pids < 0 else pids)


def binds_of(spec: Spec) -> tuple[Bind, ...]:
    """The volumes of a spec."""
    parts = (text.rsplit(":", 2) for text in spec.volumes)
    return tuple(Bind(source=source, target=target, read_only=mode == "ro") for source, target, mode in parts)
