# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth update` changes limits of containers that run, and of those that don't."""

from __future__ import annotations

import json
from typing import Any

from .conftest import Berth


def inspect(berth: Berth, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(berth.ok("inspect", name))[0]
    return found


def test_limits_change_while_it_runs(berth: Berth) -> None:
    berth.start("--name", "one", "-m", "64m", "base", "sleep", "100")
    berth.ok("create", "--name", "other", "--network", "none", "base", "sleep", "100")
    before = inspect(berth, "one")
    assert berth.ok("update", "--memory", "96m", "--cpu-shares", "300", "one", "other") == "one\nother\n"
    after = inspect(berth, "one")
    assert after["state"] == before["state"]
    for name in ("one", "other"):
        assert inspect(berth, name)["spec"]["memory"] == 96 << 20
        assert inspect(berth, name)["spec"]["cpu_shares"] == 300
    berth.ok("start", "other")
    files = "/sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes"
    for name in ("one", "other"):
        assert berth("exec", name, "sh", "-c", f"cat {files} 2>/dev/null").stdout.decode().strip() == str(96 << 20)
    assert berth.ok("update", "--memory", "0", "one") == "one\n"
    assert "memory" not in inspect(berth, "one")["spec"]
    assert inspect(berth, "one")["spec"]["cpu_shares"] == 300


def test_what_can_t_be_changed(berth: Berth) -> None:
    berth.start("--name", "one", "base", "sleep", "100")
    assert b"nothing to change" in berth("update", "one").stderr
    assert berth("update", "--hostname", "x", "one").returncode == 64
    done = berth("update", "--memory", "1m", "one", "gone")
    assert done.stdout == b""
    assert b"no container 'gone'" in done.stderr
    assert b"memory: 1048576 bytes is below" in done.stderr
    assert inspect(berth, "one")["spec"].get("memory") is None
