# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth load`: the images of an archive or an OCI layout."""

from __future__ import annotations

import os

from ...errors import Refused
from ...image import archive
from ...image.converge import container_image
from ...storage.staging import Staging
from .. import say
from ..options import Command, Option, UsageError
from ..spool import spool
from ..transfer import listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "load",
    "[NAME]",
    "Load the images of an archive, of docker's, podman's or OCI's kind, under the names that they have in it. With NAME, the one\n"
    "image that is in it is called that, or the one that --reference chooses.",
    (
        Option("-i --input", "the archive or OCI layout; standard input unless told", "PATH"),
        Option("--platform", "of an image for many machines, the one for this: linux/arm64", "OS/ARCH"),
        Option("-q --quiet", "only names"),
        Option("--reference", "which image of several NAME means", "NAME"),
    ),
    most=1,
)


def run(paths: Paths, given: Given) -> int:
    path = given.text("input")
    if path and path != "-":
        return _load(paths, given, os.path.abspath(path))
    if os.isatty(0):
        raise UsageError("load: say with -i what, or send an archive to standard input")
    with Staging(paths, "stdin") as place:
        return _load(paths, given, spool(f"{place.path}/archive"))


def _load(paths: Paths, given: Given, path: str) -> int:
    names = list(given.operands) or archive.names(paths, path)
    if not names:
        raise Refused(
            f"archive {path!a} has no image with a name: say what it is to be called, berth load -i FILE NAME"
        )
    for name in names:
        params = {
            "name": name, "archive": path, "platform": given.text("platform"),
            "archive_reference": given.text("reference") or (None if given.operands else name),
        }  # fmt: skip
        answer = container_image(paths, params, check=False, progress=listener(quiet=given.flag("quiet")))
        for warning in answer.warnings:
            say.error(warning)
        say.line(str(answer.result["image"]["name"]))
    return 0
