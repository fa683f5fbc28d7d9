# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth import`: an image from a directory, a tar, standard input, the host's busybox or its debootstrap."""

from __future__ import annotations

import os

from ...image.converge import container_image
from ...storage.staging import Staging
from .. import say
from ..creation import pairs
from ..options import Command, Option, UsageError
from ..spool import spool
from ..transfer import listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "import",
    "DIRECTORY|TAR|- NAME",
    "Make an image of a directory or a tar. The tar may be a tar.gz or tar.xz; - is standard input. --bootstrap busybox NAME needs\n"
    "no file, only the host's busybox; --bootstrap debootstrap --suite trixie NAME makes a Debian with the host's debootstrap.\n"
    "The same content gives the same image.",
    (
        Option("--bootstrap", "what to make it of without any file: busybox or debootstrap", "KIND"),
        Option("--cmd", "the command of its containers, cut like a shell would", "COMMAND"),
        Option("--entrypoint", "what is put in front of the command", "COMMAND"),
        Option("-e --env", "an environment variable of its containers", "NAME=VALUE", many=True),
        Option("--expose", "a port that they listen on", "PORT", many=True),
        Option("--force", "read the content again even if nothing points to a change"),
        Option("-l --label", "a word to find it by", "NAME=VALUE", many=True),
        Option("--mirror", "debootstrap: the archive to take it from", "URL"),
        Option("--package", "debootstrap: one more to install", "NAME", many=True),
        Option("--platform", "what it is for; the host's own by default", "OS/ARCHITECTURE"),
        Option("-q --quiet", "only the image's id"),
        Option("--suite", "debootstrap: the release, such as trixie", "NAME"),
        Option("-u --user", "who runs the command", "USER[:GROUP]"),
        Option("--variant", "debootstrap: minbase (default), buildd, fakechroot or standard", "NAME"),
        Option("-w --workdir", "the directory that it starts in", "PATH"),
    ),
    least=1,
    most=2,
)


def run(paths: Paths, given: Given) -> int:
    bootstrap = given.text("bootstrap")
    wanted = 1 if bootstrap else 2
    if len(given.operands) != wanted:
        raise UsageError("import: write berth import DIRECTORY|TAR|- NAME, or berth import --bootstrap busybox NAME")
    source, name, quiet = given.operands[0], given.operands[-1], given.flag("quiet")
    params: dict[str, Any] = {"name": name, "force": given.flag("force"), **_config(given)}
    debian = _debian(given)
    if bootstrap != "debootstrap" and any(value is not None for value in debian.values()):
        raise UsageError("import: --mirror, --package, --suite and --variant are for --bootstrap debootstrap")
    if bootstrap:
        params.update(debian)
        return _import(paths, {**params, "bootstrap": bootstrap}, quiet=quiet)
    if source == "-":
        with Staging(paths, "stdin") as place:
            return _import(paths, {**params, "rootfs": spool(f"{place.path}/stdin.tar")}, quiet=quiet)
    return _import(paths, {**params, "rootfs": os.path.abspath(source)}, quiet=quiet)


def _config(given: Given) -> dict[str, Any]:
    return {
        "command": given.text("cmd"),
        "entrypoint": given.text("entrypoint"),
        "env": pairs(given.many("env")) or None,
        "exposed_ports": list(given.many("expose")) or None,
        "labels": pairs(given.many("label")) or None,
        "platform": given.text("platform"),
        "user": given.text("user"),
        "working_dir": given.text("workdir"),
    }


def _debian(given: Given) -> dict[str, Any]:
    return {
        "mirror": given.text("mirror"),
        "packages": list(given.many("package")) or None,
        "suite": given.text("suite"),
        "variant": given.text("variant"),
    }


def _import(paths: Paths, params: dict[str, Any], *, quiet: bool) -> int:
    answer = container_image(paths, params, check=False, progress=listener(quiet=quiet))
    for warning in answer.warnings:
        say.error(warning)
    say.line(str(answer.result["image"].get("id", "")))
    return 0
