# SPDX-License-Identifier: GPL-3.0-or-later
"""What /proc says of a process, read from the host's side and never by running anything."""

from __future__ import annotations


def start_time(pid: int) -> int:
    """Clock ticks after boot at which `pid` started; 0 when it is gone or only waits to be reaped (proc_pid_stat(5), field 22)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def is_alive(pid: int, started: int) -> bool:
    """Whether `pid` is still the process that started at `started`: a number alone may have been used again."""
    return pid > 0 and started > 0 and start_time(pid) == started


def boot_id() -> str:
    """The kernel's random name for this boot."""
    with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
        return file.read().strip()
