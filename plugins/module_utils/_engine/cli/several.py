# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that take several names: one that is wrong does not keep the others from being done."""

from __future__ import annotations

from ..container import record as records
from ..errors import EngineError
from . import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..container.record import Record
    from ..paths import Paths


class Several:
    """Does something for each of some names, prints the name when it is done, and the sentence when it is not."""

    __slots__ = ("status",)

    def __init__(self) -> None:
        self.status = 0

    def each(self, names: Iterable[str], work: Callable[[str], object], *, silent: bool = False) -> tuple[str, ...]:
        """The names for which `work` raised no EngineError; `status` becomes the first error's exit code."""
        done = []
        for name in names:
            try:
                work(name)
            except EngineError as error:
                self.status = self.status or error.exit_code
                say.error(str(error))
                continue
            done.append(name)
            if not silent:
                say.line(name)
        return tuple(done)

    def find(self, paths: Paths, names: Iterable[str], *, anyhow: bool = False) -> dict[str, Record]:
        """The containers of those names that there are; `anyhow` as in record.load."""
        found: dict[str, Record] = {}
        self.each(names, lambda name: found.setdefault(name, records.find(paths, name, anyhow=anyhow)), silent=True)
        return found


def distinct(found: Iterable[Record]) -> tuple[Record, ...]:
    """Each container once, even if it was named twice."""
    return tuple({record.id: record for record in found}.values())
