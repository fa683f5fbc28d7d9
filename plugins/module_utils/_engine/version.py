# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engine this is."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .answer import Answer
    from .paths import Paths

VERSION = "0.1.0"
# The runtime-spec whose config.json is written and executed.
OCI = "1.2.0"


def version(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """The engine's version, the Python and the kernel it runs on, and its root."""
    from .answer import Answer  # every start reads the numbers above, and nothing else of this file

    python = ".".join(str(part) for part in sys.version_info[:3])
    return Answer(result={"version": VERSION, "python": python, "kernel": os.uname().release, "root": paths.root})
