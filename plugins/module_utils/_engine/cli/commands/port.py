# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth port`: where a container's ports are on the host."""

from __future__ import annotations

from ...container import record as records
from .. import say
from ..listing import ports_of
from ..options import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...paths import Paths
    from ..options import Given

COMMAND = Command("port", "CONTAINER", "Print which ports of the host lead to a container that runs.", least=1, most=1)


def run(paths: Paths, given: Given) -> int:
    record = records.find(paths, given.operands[0])
    state = record.state(paths)
    for port in ports_of(paths, record, state) if state.status == "running" else ():
        say.line(f"{port.container_port}/{port.protocol} -> {port.host_ip}:{port.host_port}")
    return 0
