# SPDX-License-Identifier: GPL-3.0-or-later
"""The default AppArmor profile: loaded once per boot, by the host's own apparmor_parser, which is the only one to compile it."""

from __future__ import annotations

import os

from ..errors import EngineError
from .labels import PROFILE, has_apparmor, is_loaded

_PARSERS = ("/usr/sbin/apparmor_parser", "/sbin/apparmor_parser", "/usr/bin/apparmor_parser")
_PATIENCE = 30

# The same ground as the masked and read-only paths, for what is mounted later; and no mounts, no tracing of others.
_TEXT = f"""\
#include <tunables/global>

profile {PROFILE} flags=(attach_disconnected,mediate_deleted) {{
  network,
  # What the filter of system calls can't see of 32-bit programs.
  deny network alg,
  deny network vsock,
  capability,
  file,
  umount,
  signal (receive) peer=unconfined,
  signal (send,receive) peer={PROFILE},
  ptrace (trace,read,tracedby,readby) peer={PROFILE},

  deny mount,
  deny @{{PROC}}/sys/kernel/{{?,??,[^s][^h][^m]**}} w,
  deny @{{PROC}}/sys/[^kn]** w,
  deny @{{PROC}}/{{sysrq-trigger,kcore,mem,kmem,kallsyms}} rwklx,
  deny @{{PROC}}/{{acpi,bus,fs,irq,scsi}}/** wklx,
  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
}}
"""


def load(root: str = "") -> bool:
    """Whether containers can have the default profile: it is loaded, or this loads it. No kernel with AppArmor: False.

    EngineError when there is a parser and it refuses the profile.
    """
    if not has_apparmor(root):
        return False
    if is_loaded(PROFILE, root):
        return True
    parser = _parser(root)
    if not parser:
        return False
    import subprocess

    done = subprocess.run(
        [root + parser, "--replace", "--skip-cache"],
        input=_TEXT.encode(),
        capture_output=True,
        timeout=_PATIENCE,
        check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise EngineError(
            f"apparmor_parser refuses the profile {PROFILE}: {said}: use security_opts apparmor=unconfined"
        )
    return True


def is_available(root: str = "") -> bool:
    """Whether `load` would succeed, as far as one can tell without it."""
    return has_apparmor(root) and (is_loaded(PROFILE, root) or bool(_parser(root)))


def _parser(root: str) -> str:
    return next((path for path in _PARSERS if os.access(root + path, os.X_OK)), "")
