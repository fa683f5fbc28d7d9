# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container that runs has used so far, as one document: its group's numbers and its network's."""

from __future__ import annotations

import time

from ..cgroup import hierarchy, stats
from ..network import modes
from ..paths import Paths
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# proc_pid_net(5): the columns of /proc/PID/net/dev after a name.
_COLUMNS = (("received_bytes", 0), ("received_packets", 1), ("sent_bytes", 8), ("sent_packets", 9))


def stats_of(paths: Paths, record: Record) -> dict[str, Any] | None:
    """`cgroup.stats.read` and more: time_ns of CLOCK_MONOTONIC when it was read, and network by device; None if it does not run.

    network has received and sent bytes and packets of every device but lo, and is None where the network is the host's.
    """
    now = record.state(paths)
    if now.status != "running":
        return None
    counted = stats.read(hierarchy.mounted(), record.group(paths), record.id)
    of_host = record.spec.network_mode == modes.HOST
    return {"time_ns": time.monotonic_ns(), **counted, "network": None if of_host else network_of(now.pid)}


def network_of(pid: int) -> dict[str, dict[str, int]] | None:
    """What the devices of a process's network have moved; None when it is gone."""
    try:
        with open(f"/proc/{pid}/net/dev", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()[2:]
    except (FileNotFoundError, ProcessLookupError):
        return None
    devices = (line.partition(":")[::2] for line in lines)
    return {
        name.strip(): {key: int(numbers.split()[column]) for key, column in _COLUMNS}
        for name, numbers in devices
        if name.strip() != "lo"
    }
