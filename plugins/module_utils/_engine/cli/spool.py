# SPDX-License-Identifier: GPL-3.0-or-later
"""Standard input as a file: what comes through a pipe can be read once, and archives are read more often."""

from __future__ import annotations

import os

from ..errors import from_os
from . import say


def spool(path: str) -> str:
    """Write what comes to `path`, which must not be there; return it."""
    try:
        with open(path, "xb", buffering=0) as file:
            while piece := os.read(0, 1 << 20):
                say.write_all(file.fileno(), piece)
    except OSError as error:
        raise from_os(error, "keep standard input") from error
    return path
