# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth inspect`: everything that is known of containers and images, as JSON."""

from __future__ import annotations

from ...container import record as records
from ...errors import EngineError, InvalidSpec, NotFound
from .. import say
from ..options import Command, Option, UsageError
from ..several import Several

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "inspect",
    "NAME...",
    "Print all that is known of containers or images as a JSON list. A container wins over an image of the same name.",
    (Option("--type", "look for nothing but container or image", "KIND"),),
    least=1,
)


def run(paths: Paths, given: Given) -> int:
    kind = given.text("type")
    if kind not in (None, "container", "image"):
        raise UsageError(f"inspect: --type is container or image, not {kind!a}")
    found: list[dict[str, Any]] = []
    several = Several()
    several.each(given.operands, lambda name: found.append(_describe(paths, name, kind)), silent=True)
    say.json_document(found)
    return several.status


def _describe(paths: Paths, name: str, kind: str | None) -> dict[str, Any]:
    if kind != "image":
        try:
            return _container(paths, name)
        except EngineError as error:
            # An image's name need not be one that a container can have.
            if kind or not isinstance(error, (InvalidSpec, NotFound)):
                raise
    image = _image(paths, name)
    if image is None:
        raise NotFound(f"no {kind or 'container or image'} {name!a}: berth ps -a and berth images list those there are")
    return image


def _container(paths: Paths, name: str) -> dict[str, Any]:
    from ...container.info import describe

    return describe(paths, records.find(paths, name))


def _image(paths: Paths, name: str) -> dict[str, Any] | None:
    from ...image.info import container_image_info

    try:
        images: list[dict[str, Any]] = container_image_info(paths, {"name": name}, check=True).result["images"]
    except InvalidSpec:
        return None
    return images[0] if images else None
