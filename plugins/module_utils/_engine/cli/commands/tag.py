# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth tag`: gives an image one more name."""

from __future__ import annotations

from ...image.tag import container_image_tag
from ..options import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "tag", "IMAGE NAME", "Give an image one more name. Another image that had it loses it.", least=2, most=2
)


def run(paths: Paths, given: Given) -> int:
    image, name = given.operands
    container_image_tag(paths, {"image": image, "name": name}, check=False)
    return 0
