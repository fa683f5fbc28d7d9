# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth logout`: forgets what opens a registry."""

from __future__ import annotations

import os

from ...image.login import container_registry_login
from .. import say
from ..options import Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "logout",
    "[REGISTRY]",
    "Forget the user and the password for a registry, docker.io unless told.",
    (Option("--authfile", "where passwords are kept, $DOCKER_CONFIG/config.json unless told", "FILE"),),
    most=1,
)


def run(paths: Paths, given: Given) -> int:
    path = given.text("authfile")
    params = {
        "registry": given.operands[0] if given.operands else None,
        "state": "absent",
        "authfile": os.path.abspath(path) if path else None,
    }
    answer = container_registry_login(paths, params, check=False)
    registry = answer.result["registry"]
    say.line(f"{registry} is forgotten" if answer.changed else f"there was no login at {registry}")
    return 0
