# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process in a container is given: arguments, environment, limits. The first one and those that join get the same."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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
    return record.spec.hostname or record.id[:12]


def process_of(
    spec: Spec, config: dict[str, Any], held: tuple[str, ...], *, args: tuple[str, ...], env: tuple[str, ...]
) -> dict[str, Any]:
    """config.json's "process": the same for a container's first process and for those that join it."""
    names = [f"CAP_{name}" for name in held]
    return {
        "terminal": spec.tty,
        "user": {"uid": 0, "gid": 0, "umask": 0o022},
        "args": list(args),
        "env": list(env),
        "cwd": spec.working_dir or config.get("WorkingDir") or "/",
        "capabilities": {"bounding": names, "effective": names, "permitted": names, "inheritable": [], "ambient": []},
        "rlimits": _rlimits(),
        "noNewPrivileges": not spec.privileged,
        "oomScoreAdj": 0,
    }


def _rlimits() -> list[dict[str, Any]]:
    return [
        {"type": "RLIMIT_NOFILE", "soft": _NOFILE[0], "hard": _NOFILE[1]},
        # core_pattern pipes run as the host's root.
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
    ]
