# SPDX-License-Identifier: GPL-3.0-or-later
"""Which engine this is."""

from __future__ import annotations

import os
import sys

from .answer import Answer
from .paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = "0.1.0"


def version(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """The engine's version, the Python and the kernel it runs on, and its root."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    return Answer(result={"version": VERSION, "python": python, "kernel": os.uname().release, "root": paths.root})
