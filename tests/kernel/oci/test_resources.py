# SPDX-License-Identifier: GPL-3.0-or-later
"""When and where a foreign bundle's process runs, and what it is given of the host's memory and processors."""

from __future__ import annotations

import os
from typing import Any

import pytest

from .conftest import Runtime

# Only version 1 shares realtime out among groups.
SHARED_OUT = os.path.exists("/sys/fs/cgroup/cpu/cpu.rt_runtime_us")
SHARE: dict[str, Any] = {"cpu": {"realtimePeriod": 1_000_000, "realtimeRuntime": 1000}} if SHARED_OUT else {}


@pytest.mark.parametrize(("policy", "number"), [("SCHED_FIFO", "1"), ("SCHED_RR", "2")])
def test_a_realtime_process_has_a_share_or_is_told_so(oci: Runtime, policy: str, number: str) -> None:
    scheduler = {"policy": policy, "priority": 10, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}
    if SHARED_OUT:
        why = oci.refused("run", "-b", str(oci.bundle("true", process_scheduler=scheduler)), "one")
        assert "takes no realtime process" in why
        assert "linux.resources.cpu.realtimeRuntime" in why
    done = oci.once(oci.bundle("cat", "/proc/self/stat", process_scheduler=scheduler, linux_resources=SHARE))
    assert done.returncode == 0, done.stderr
    assert done.stdout.rpartition(")")[2].split()[37:39] == ["10", number]
