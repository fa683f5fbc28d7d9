# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth save`: an image as a file that other tools read."""

from __future__ import annotations

import os

from ...image.export import FORMATS, container_image_export
from ...storage.staging import Staging
from .. import say
from ..options import Command, Option, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "save",
    "IMAGE",
    "Write an image to a file, to a directory or to standard output. The same image gives the same bytes.",
    (
        Option("--format", f"{', '.join(FORMATS)}; unless told docker-archive, which docker load reads", "FORMAT"),
        Option("-o --output", "the file, or the directory for oci-dir", "PATH"),
    ),
    least=1,
    most=1,
)


def run(paths: Paths, given: Given) -> int:
    form, target = given.text("format") or "docker-archive", given.text("output")
    params = {"name": given.operands[0], "format": form, "force": True}
    if target and target != "-":
        container_image_export(paths, {**params, "path": os.path.abspath(target)}, check=False)
        return 0
    if form == "oci-dir" or os.isatty(1):
        raise UsageError("save: say with -o where to, or send standard output into a file")
    with Staging(paths, "save") as place:
        path = f"{place.path}/archive"
        container_image_export(paths, {**params, "path": path}, check=False)
        with open(path, "rb", buffering=0) as file:
            while data := file.read(1 << 20):
                say.out(data)
    return 0
