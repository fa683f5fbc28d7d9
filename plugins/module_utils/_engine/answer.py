# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verb answers: the same shape whether it was asked by a module, by hand or by a test."""

from __future__ import annotations

from .values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Answer(Value):
    """`before` and `after` are for a diff; `result` is what the verb found or made; all are JSON values."""

    changed: bool = False
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    result: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
