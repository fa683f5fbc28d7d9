# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the modules that only look."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INFO: dict[str, dict[str, Any]] = {"name": {"type": "list", "elements": "str"}}
IMAGE_INFO: dict[str, dict[str, Any]] = {**INFO, "documents": {"type": "bool", "default": False}}
CONTAINER_INFO: dict[str, dict[str, Any]] = {**INFO, "stats": {"type": "bool", "default": False}}
