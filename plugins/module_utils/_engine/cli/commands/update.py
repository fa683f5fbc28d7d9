# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth update`: other limits for containers that may be running."""

from __future__ import annotations

from ...container.spec import Spec
from ..creation import options_for, said
from ..options import Command, UsageError
from ..several import Several

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "update",
    "CONTAINER...",
    "Change how much containers may use, at once and for good. They need not stop for it; 0 is no limit.",
    options_for(Spec._live),
    least=1,
)


def run(paths: Paths, given: Given) -> int:
    from ...container.update import change

    params = said(given)
    if not params:
        raise UsageError(
            "update: there is nothing to change: give an option such as --memory (see berth update --help)"
        )
    several = Several()
    found = several.find(paths, given.operands)
    several.each(found, lambda name: change(paths, found[name], params))
    return several.status
