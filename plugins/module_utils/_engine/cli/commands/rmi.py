# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth rmi`: removes images."""

from __future__ import annotations

from ...errors import NotFound
from ...image.converge import container_image
from ..options import Command, Option
from ..several import Several

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "rmi",
    "IMAGE...",
    "Remove images' names, and what only these held.",
    (Option("-f --force", "also the name of an image that a container uses, or all its names by id"),),
    least=1,
)


def run(paths: Paths, given: Given) -> int:
    several = Several()
    several.each(given.operands, lambda name: _remove(paths, name, force=given.flag("force")))
    return several.status


def _remove(paths: Paths, name: str, *, force: bool) -> None:
    answer = container_image(paths, {"name": name, "state": "absent", "force": force}, check=False)
    if not answer.changed:
        raise NotFound(f"image {name!a} is not on this host: berth images lists those there are")
