# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan is what will change, as a value: check mode prints it, a real run applies it, so the two can't differ."""

from __future__ import annotations

from .values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


class Step(Value):
    """One act. `what` is a phrase such as "start container web"."""

    what: str
    run: Callable[[], object]


class Plan(Value):
    """`before` and `after` are the state as a user would describe it (JSON values); they are equal when nothing changes."""

    before: dict[str, Any]
    after: dict[str, Any]
    steps: tuple[Step, ...] = ()

    @property
    def changed(self) -> bool:
        """True when there is something to apply."""
        return bool(self.steps)

    def apply(self) -> list[object]:
        """Run the steps in order; return what each returned. The first error ends it and flies."""
        return [step.run() for step in self.steps]
