# SPDX-License-Identifier: GPL-3.0-or-later
"""A config.json to begin with: a shell in a root that is read-only, with little else that it may do."""

from __future__ import annotations

import json
import os

from ..cgroup import hierarchy
from ..errors import Conflict, from_os
from ..security import masks
from ..version import OCI

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CAPABILITIES = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
_LOCKED = ("nosuid", "noexec", "nodev")
_MOUNTS = (
    ("/proc", "proc", "proc", ()),
    ("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
    ("/dev/pts", "devpts", "devpts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")),
    ("/dev/shm", "tmpfs", "shm", (*_LOCKED, "mode=1777", "size=65536k")),
    ("/dev/mqueue", "mqueue", "mqueue", _LOCKED),
    ("/sys", "sysfs", "sysfs", (*_LOCKED, "ro")),
    ("/sys/fs/cgroup", "cgroup", "cgroup", (*_LOCKED, "relatime", "ro")),
)
_NAMESPACES = ("pid", "network", "ipc", "uts", "mount")


def write(bundle: str) -> None:
    """Write config.json in the directory `bundle`. Conflict when there is one: it is somebody's work."""
    path = f"{bundle}/config.json"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        raise Conflict(f"{path} exists: remove it first, or choose another --bundle") from None
    except OSError as error:
        raise from_os(error, f"write {path}") from error
    with open(fd, "w", encoding="ascii") as file:
        json.dump(example(), file, indent=2)
        file.write("\n")


def example() -> dict[str, Any]:
    """The whole object."""
    # Version 1 shows a container its groups from the host's root; callers look for them there.
    kinds = _NAMESPACES if hierarchy.mounted().v1 else (*_NAMESPACES, "cgroup")
    return {
        "ociVersion": OCI,
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {kind: list(_CAPABILITIES) for kind in ("bounding", "effective", "permitted")},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "berth",
        "mounts": [
            {"destination": place, "type": kind, "source": source, **({"options": list(options)} if options else {})}
            for place, kind, source, options in _MOUNTS
        ],
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": kind} for kind in kinds],
            "maskedPaths": list(masks.MASKED),
            "readonlyPaths": list(masks.READ_ONLY),
        },
    }
