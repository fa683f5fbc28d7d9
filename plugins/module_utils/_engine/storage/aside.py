# SPDX-License-Identifier: GPL-3.0-or-later
"""What is damaged is moved out of the way and kept: a container that runs may have it mounted, and somebody may want to look."""

from __future__ import annotations

import os
import time

from ..records import sync_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..paths import Paths


def set_aside(paths: Paths, path: str) -> None:
    """Move it into damaged/ below the root. The caller holds `layout.changing`. Fine when it is not there."""
    if not os.path.lexists(path):
        return
    place = f"{paths.root}/damaged"
    os.makedirs(place, mode=0o700, exist_ok=True)
    os.rename(path, f"{place}/{os.path.basename(path)}-{time.time_ns():x}")
    sync_directory(place)
    sync_directory(os.path.dirname(path))
