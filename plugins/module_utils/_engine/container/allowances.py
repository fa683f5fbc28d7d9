# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this host lets a container have the limits that were asked for: a default is clamped to what it allows, a wish is not."""

from __future__ import annotations

import resource

from ..errors import InvalidSpec, NotPermitted
from ..kernel import capabilities, capsets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .spec import Spec

# getrlimit(2); the standard library has no names for the last two.
_NUMBERS = {"locks": 10, "sigpending": 11, "msgqueue": 12, "nice": 13, "rtprio": 14, "rttime": 15}


def check(spec: Spec) -> None:
    """InvalidSpec for a limit above this host's, NotPermitted for an oom_score_adj that only the host's root may give."""
    if capsets.permitted() & capabilities.mask(("CAP_SYS_RESOURCE",)):
        return
    for item in spec.ulimits:
        name, _unused, pair = item.partition("=")
        hard, ceiling = int(pair.rpartition(":")[2]), resource.getrlimit(_number(name))[1]
        if ceiling != resource.RLIM_INFINITY and (hard == -1 or hard > ceiling):
            raise InvalidSpec(
                f"ulimits: {name}: {hard} is above {ceiling}, which is all this host allows: ask for less"
            )
    if spec.oom_score_adj is not None:
        with open("/proc/self/oom_score_adj", encoding="utf-8") as file:
            ours = int(file.read())
        if spec.oom_score_adj < ours:
            raise NotPermitted(f"oom_score_adj: {spec.oom_score_adj} is below the {ours} that we have: ask for more")


def _number(name: str) -> int:
    return _NUMBERS[name] if name in _NUMBERS else int(getattr(resource, f"RLIMIT_{name.upper()}"))
