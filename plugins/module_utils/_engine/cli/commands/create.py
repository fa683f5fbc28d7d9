# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth create`: a container that does not run yet."""

from __future__ import annotations

from .. import say
from ..creation import OPTIONS, make
from ..options import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command(
    "create",
    "IMAGE [COMMAND [ARG...]]",
    "Make a container and print its id; berth start starts it.",
    OPTIONS,
    least=1,
    ends=True,
    runs_program=True,
)


def run(paths: Paths, given: Given) -> int:
    say.line(make(paths, given).id)
    return 0
