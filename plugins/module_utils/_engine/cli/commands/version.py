# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth version`: which engine this is and what it runs on."""

from __future__ import annotations

import os

from ... import version
from .. import say
from ..options import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command("version", "", "Print the engine's version, its directory, and what it runs on.", most=0)


def run(paths: Paths, given: Given) -> int:
    facts = version.version(paths, {}, check=True).result
    say.line(f"berth {facts['version']}")
    for key, value in facts.items():
        if key != "version":
            say.line(f"  {key + ':':8} {value}")
    say.line(f"  {'engine:':8} {os.path.dirname(os.path.dirname(os.path.abspath(version.__file__)))}")
    return 0
