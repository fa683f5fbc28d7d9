# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of /proc and /sys a container never sees, and which it sees but can't write: Docker's and Podman's lists together."""

from __future__ import annotations

MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/kpagecgroup",
    "/proc/kpagecount", "/proc/kpageflags", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/slabinfo",
    "/proc/timer_list", "/proc/timer_stats", "/proc/vmallocinfo", "/sys/dev/block", "/sys/devices/virtual/powercap",
    "/sys/firmware", "/sys/fs/selinux",
)  # fmt: skip

READ_ONLY = ("/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def resolve(security_opts: tuple[str, ...], *, privileged: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is masked and what is read-only: "mask=" adds, "unmask=" and "systempaths=unconfined" take away (Podman's words)."""
    masked, read_only = ((), ()) if privileged else (MASKED, READ_ONLY)
    if not security_opts:
        return masked, read_only
    shown = _paths(security_opts, "unmask=")
    if "ALL" in shown or "systempaths=unconfined" in security_opts:
        masked = read_only = ()
    more = tuple(path for path in _paths(security_opts, "mask=") if path not in masked)
    return (
        (*(path for path in masked if not _covers(shown, path)), *more),
        tuple(path for path in read_only if not _covers(shown, path)),
    )


def _paths(security_opts: tuple[str, ...], name: str) -> tuple[str, ...]:
    return tuple(path for item in security_opts if item.startswith(name) for path in item[len(name) :].split(":"))


def _covers(shown: tuple[str, ...], path: str) -> bool:
    """Podman's patterns: "/proc/*" is every path right below /proc."""
    above = path.rpartition("/")[0]
    return any(entry == path or entry == f"{above}/*" for entry in shown)
