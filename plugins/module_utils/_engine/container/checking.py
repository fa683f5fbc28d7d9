# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a spec can become a container on this host, before anything is made."""

from __future__ import annotations

import os

from ..cgroup import hierarchy
from ..errors import InvalidSpec, NotFound
from ..image.resolve import resolve
from ..paths import Paths
from ..rootfs.mounts import Bind
from . import resources
from .processes import command_of
from .spec import Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..image.resolve import Image


def check(paths: Paths, spec: Spec) -> Image:
    """The image of `spec`, once everything that could make its first start impossible has been looked at."""
    image = resolve(paths, spec.image)
    resources.check(spec, hierarchy.mounted())
    if spec.ulimits or spec.oom_score_adj is not None:
        from . import allowances

        allowances.check(spec)
    if not command_of(spec, image.config):
        raise InvalidSpec(f"container {spec.name}: image {spec.image} names no command: give one")
    for bind in binds_of(spec):
        if not os.path.exists(bind.source):
            raise NotFound(f"bind source {bind.source} does not exist on this host: make it first")
    return image


def binds_of(spec: Spec) -> tuple[Bind, ...]:
    """The volumes of a spec."""
    parts = (text.rsplit(":", 2) for text in spec.volumes)
    return tuple(Bind(source=source, target=target, read_only=mode == "ro") for source, target, mode in parts)
