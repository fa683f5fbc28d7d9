# SPDX-License-Identifier: GPL-3.0-or-later
"""What contextlib.ExitStack does for half-made things, without the 4 ms that importing it costs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    class Closing(Protocol):
        def __enter__(self) -> object: ...
        def __exit__(self, *_: object) -> object: ...

    C = TypeVar("C", bound=Closing)


class Undo:
    """Callbacks that run in reverse order at the end of a `with`, whatever ended it, unless `keep` was called."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []

    def __enter__(self) -> Undo:
        return self

    def __exit__(self, *error: object) -> None:
        while self._steps:
            self._steps.pop()()

    def later(self, step: Callable[[], object]) -> None:
        """Call `step` at the end."""
        self._steps.append(step)

    def enter(self, context: C) -> C:
        """Enter `context` now and leave it at the end."""
        context.__enter__()
        self._steps.append(lambda: context.__exit__(None, None, None))
        return context

    def keep(self) -> None:
        """What was made stays: forget the callbacks."""
        self._steps.clear()
