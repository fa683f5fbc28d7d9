# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth push`: an image to a registry."""

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
    "push",
    "IMAGE [NAME]",
    "Bring an image to the registry in its name, or in NAME. What the registry has is not sent again.",
    (*REGISTRY, Option("-q --quiet", "only the digest")),
    least=1,
    most=2,
)


def run(paths: Paths, given: Given) -> int:
    packed.add(packed.HTTP)
    from ...image.push import container_image_push

    quiet = given.flag("quiet")
    params = {
        **access(given),
        "name": given.operands[0],
        "destination": given.operands[1] if len(given.operands) > 1 else None,
    }
    answer = container_image_push(paths, params, check=False, progress=listener(quiet=quiet))
    for warning in answer.warnings:
        say.error(warning)
    found = answer.result
    say.line(str(found["digest"] if quiet else f"{found['destination']} {found['digest']}"))
    return 0
