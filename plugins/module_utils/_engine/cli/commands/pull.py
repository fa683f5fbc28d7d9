# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth pull`: an image from a registry."""

from __future__ import annotations

from ... import packed
from .. import say
from ..options import Command, Option
from ..transfer import REGISTRY, access, listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "pull",
    "NAME[:TAG][@DIGEST]",
    "Bring an image from the registry in its name; a name without one means docker.io. Layers that are there are not sent again.",
    (
        *REGISTRY,
        Option("--mirror", "a registry to ask first", "HOST[:PORT]", many=True),
        Option("--platform", "for another machine than this: linux/arm64, linux/arm/v7", "OS/ARCH"),
        Option("-q --quiet", "only the image's id"),
    ),
    least=1,
    most=1,
)


def run(paths: Paths, given: Given) -> int:
    packed.add(packed.HTTP)
    from ...image.converge import container_image

    params = {
        **access(given),
        "name": given.operands[0],
        "pull": "always",
        "mirrors": list(given.many("mirror")) or None,
        "platform": given.text("platform"),
    }
    quiet = given.flag("quiet")
    answer = container_image(paths, params, check=False, progress=listener(quiet=quiet))
    for warning in answer.warnings:
        say.error(warning)
    image = answer.result["image"]
    say.line(str(image["id"] if quiet else f"{image['name'] or given.operands[0]} {image['digest']}"))
    return 0
