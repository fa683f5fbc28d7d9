# SPDX-License-Identifier: GPL-3.0-or-later
"""What this runtime implements, in the form of the specification (features.md), for callers that ask before they use it."""

from __future__ import annotations

from ..kernel import capabilities, numa
from ..version import OCI

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FLAGS = ("exec", "suid", "dev", "diratime", "atime", "relatime", "strictatime", "symfollow")
_MOUNT_OPTIONS = sorted(
    {
        *(
            "async",
            "bind",
            "defaults",
            "dirsync",
            "idmap",
            "lazytime",
            "loud",
            "mand",
            "noiversion",
            "nolazytime",
            "nomand",
        ),
        *("iversion", "rbind", "remount", "ridmap", "ro", "rro", "rrw", "rw", "silent", "sync", "tmpcopyup"),
        *(f"{deep}{no}{flag}" for deep in ("", "r") for no in ("", "no") for flag in _FLAGS),
        *(f"{deep}{kind}" for deep in ("", "r") for kind in ("private", "shared", "slave", "unbindable")),
    }
)


def features() -> dict[str, Any]:
    """The object that `features` prints."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": _MOUNT_OPTIONS,
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "capabilities": [f"CAP_{name}" for name in capabilities.NAMES],
            "cgroup": {"v1": True, "v2": True, "systemd": True, "systemdUser": False, "rdma": True},
            "seccomp": {
                "enabled": True,
                "actions": [
                    "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
                    "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
                ],
                "operators": [
                    "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
                    "SCMP_CMP_NE",
                ],
                "archs": [
                    "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64",
                ],
                "knownFlags": [
                    "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC",
                    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
                ],
                "supportedFlags": [
                    "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC",
                    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
                ],
            },
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "intelRdt": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": True}},
            "netDevices": {"enabled": False},
            "memoryPolicy": {"modes": sorted(numa.MODES), "flags": sorted(numa.FLAGS)},
        },
        "potentiallyUnsafeConfigAnnotations": [],
    }  # fmt: skip
