# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process in a container is given: arguments, environment, limits. The first one and those that join get the same."""

from __future__ import annotations

import os

from ..security import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..security.labels import Labels
    from .record import Record
    from .spec import Spec

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOFILE = (1024, 524_288)


def command_of(spec: Spec, config: dict[str, Any]) -> tuple[str, ...]:
    """Entrypoint and command as Docker combines them: an entrypoint of the user's own drops the image's command."""
    entrypoint = spec.entrypoint if spec.entrypoint is not None else tuple(config.get("Entrypoint") or ())
    command = spec.command
    if command is None:
        command = () if spec.entrypoint is not None else tuple(config.get("Cmd") or ())
    return entrypoint + command


def environment_of(spec: Spec, config: dict[str, Any], hostname: str) -> tuple[str, ...]:
    """NAME=value pairs: defaults, then the image's, then the user's; nothing of the host's."""
    merged = {"PATH": _PATH, "HOSTNAME": hostname}
    if spec.tty:
        merged["TERM"] = "xterm"
    for pair in config.get("Env") or ():
        name, _unused, value = pair.partition("=")
        merged[name] = value
    merged.update(spec.env)
    return tuple(f"{name}={value}" for name, value in merged.items())


def hostname_of(record: Record) -> str:
    """The name that the container sees as its host's."""
    if record.spec.uts_mode == "host":
        return os.uname().nodename
    return record.spec.hostname or record.id[:12]


def held_by(spec: Spec, *, privileged: bool = False) -> tuple[str, ...]:
    """The capabilities of the container's processes."""
    return capabilities.resolve(spec.cap_add, spec.cap_drop, privileged=spec.privileged or privileged)


def process_of(
    spec: Spec,
    config: dict[str, Any],
    labels: Labels | None,
    *,
    args: tuple[str, ...],
    env: tuple[str, ...],
    privileged: bool = False,
) -> dict[str, Any]:
    """config.json's "process": the same for a container's first process and for those that join it.

    `privileged` gives one that joins every capability.
    """
    names = [f"CAP_{name}" for name in held_by(spec, privileged=privileged)]
    process = {
        "terminal": spec.tty,
        "user": {"uid": 0, "gid": 0, "umask": 0o022 if spec.umask is None else int(spec.umask, 8)},
        "args": list(args),
        "env": list(env),
        "cwd": spec.working_dir or config.get("WorkingDir") or "/",
        "capabilities": {"bounding": names, "effective": names, "permitted": names, "inheritable": [], "ambient": []},
        "rlimits": _rlimits(spec),
        "noNewPrivileges": has_no_new_privileges(spec),
        "oomScoreAdj": spec.oom_score_adj or 0,
    }
    if labels and labels.apparmor:
        process["apparmorProfile"] = labels.apparmor
    if labels and labels.process:
        process["selinuxLabel"] = labels.process
    return process


def has_no_new_privileges(spec: Spec) -> bool:
    """Whether set-user-id programs give its processes nothing."""
    return not spec.privileged if spec.no_new_privileges is None else spec.no_new_privileges


def _rlimits(spec: Spec) -> list[dict[str, Any]]:
    # core_pattern pipes run as the host's root.
    limits = {"nofile": _NOFILE, "core": (0, 0)}
    for item in spec.ulimits:
        name, _unused, pair = item.partition("=")
        soft, _unused, hard = pair.partition(":")
        limits[name] = int(soft), int(hard)
    return [{"type": f"RLIMIT_{name.upper()}", "soft": soft, "hard": hard} for name, (soft, hard) in limits.items()]
