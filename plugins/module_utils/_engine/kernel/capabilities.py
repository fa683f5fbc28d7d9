# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's capabilities by name, and as the bits of a set (capabilities(7)). Needs no C library, as a start does not."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# In the order of include/uapi/linux/capability.h: the index is the bit.
NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
    "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
    "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
    "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip

_BITS = {f"CAP_{name}": 1 << number for number, name in enumerate(NAMES)}


def mask(names: Iterable[str]) -> int:
    """The names ("CAP_CHOWN") as the kernel counts them; a name that is none counts for nothing, see `unknown`."""
    bits = 0
    for name in names:
        bits |= _BITS.get(name, 0)
    return bits


def unknown(names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that name no capability."""
    return tuple(name for name in names if name not in _BITS)
