# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth commit`: an image of what a container changed."""

from __future__ import annotations

from ...container.commit import container_commit
from .. import say
from ..options import Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "commit",
    "CONTAINER NAME",
    "Make a container's changes a new layer on its image, and print the image's id.",
    (
        Option("-a --author", "who made it", "TEXT"),
        Option("-c --change", "a setting of the image, such as 'CMD [\"httpd\"]'", "INSTRUCTION", many=True),
        Option("-m --message", "a line for its history", "TEXT"),
        Option("--no-pause", "let the container's processes run on meanwhile"),
    ),
    least=2,
    most=2,
)


def run(paths: Paths, given: Given) -> int:
    container, name = given.operands
    params = {
        "container": container,
        "name": name,
        "author": given.text("author"),
        "changes": list(given.many("change")) or None,
        "comment": given.text("message"),
        "pause": not given.flag("no-pause"),
    }
    answer = container_commit(paths, params, check=False)
    for warning in answer.warnings:
        say.error(warning)
    say.line(str(answer.result["image"]["id"]))
    return 0
