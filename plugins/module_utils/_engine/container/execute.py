# SPDX-License-Identifier: GPL-3.0-or-later
"""One more process in a running container: started by its user, gone when it ends, limited like the container itself."""

from __future__ import annotations

import os

from ..answer import Answer
from ..cgroup import hierarchy, places
from ..errors import Conflict, InvalidSpec
from ..image.resolve import resolve
from ..paths import Paths
from ..runtime import bundle as bundles
from ..runtime import joining
from ..values import Value
from . import record as records
from .freezing import wait_until_awake
from .processes import environment_of, hostname_of, process_of
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..runtime.bundle import Bundle
    from ..security.labels import Labels


class ExecSpec(Value):
    """`argv` is executed as it is, without a shell. None: what the container itself has."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    user: str | None = None
    working_dir: str | None = None
    tty: bool = False
    size: tuple[int, int] | None = None
    privileged: bool = False


def open_session(paths: Paths, record: Record, spec: ExecSpec) -> joining.Session:
    """Start the process; the caller talks to it through the session and closes it. Conflict when the container does not run."""
    now = record.state(paths)
    if now.status != "running":
        raise Conflict(f"container {record.name} does not run: start it first")
    wait_until_awake(paths, record)
    config = resolve(paths, record.image_digest).config
    asked = record.spec.replace(tty=spec.tty, working_dir=spec.working_dir or record.spec.working_dir)
    environment = dict(pair.partition("=")[::2] for pair in environment_of(asked, config, hostname_of(record)))
    environment.update(spec.env)
    user = spec.user if spec.user is not None else record.spec.user
    here = hierarchy.mounted()
    directories = places.inhabited(here, places.directories(here, record.group(paths), record.id), now.pid)
    started = bundles.load(f"{paths.container(record.id)}/bundle", paths.container_run(record.id))
    process = process_of(
        asked,
        config,
        _labels_of(started),
        args=spec.argv,
        env=tuple(f"{key}={value}" for key, value in environment.items()),
        privileged=spec.privileged,
    )
    return joining.open_session(
        joining.Plan(
            pid=now.pid,
            process=process,
            user=user if user is not None else str(config.get("User") or ""),
            cgroups=directories,
            unified=places.birthplace(here, directories),
            id_start=record.id_start,
            terminal=spec.tty,
            size=spec.size,
            groups=record.spec.groups,
            program=started.filter(),
        )
    )


def _labels_of(started: Bundle) -> Labels | None:
    """What the container was confined by when it started, whatever is loaded by now."""
    process = started.oci["process"]
    if "apparmorProfile" not in process and "selinuxLabel" not in process:
        return None
    from ..security.labels import Labels

    return Labels(apparmor=process.get("apparmorProfile", ""), process=process.get("selinuxLabel", ""))


def container_exec(paths: Paths, params: dict[str, Any], *, check: bool) -> Answer:
    """Run `argv` in `container`: stdin, chdir, env, user, tty; `creates` and `removes` are paths in the container that decide whether.

    The result has rc, stdout, stderr (text), and skipped when it was not run; check mode never runs it.
    """
    record = records.find(paths, str(params.get("container")))
    argv = tuple(str(item) for item in params.get("argv") or ())
    if not argv:
        raise InvalidSpec("container_exec: there is no command: give argv or command")
    skipped = _why_not(paths, record, params)
    if skipped or check:
        result = {"skipped": True, "msg": skipped or "skipped in check mode", "rc": 0, "stdout": "", "stderr": ""}
        return Answer(changed=not skipped, result=result)
    spec = ExecSpec(
        argv=argv,
        env={str(key): str(value) for key, value in (params.get("env") or {}).items()},
        user=params.get("user"),
        working_dir=params.get("chdir"),
        tty=bool(params.get("tty")),
    )
    stdin = params.get("stdin")
    with open_session(paths, record, spec) as session:
        code, out, err = session.communicate(b"" if stdin is None else str(stdin).encode())
    result = {
        "rc": code,
        "stdout": out.decode("utf-8", "replace"),
        "stderr": err.decode("utf-8", "replace"),
        "skipped": False,
    }
    return Answer(changed=True, result=result)


def _why_not(paths: Paths, record: Record, params: dict[str, Any]) -> str:
    creates, removes = params.get("creates"), params.get("removes")
    if not creates and not removes:
        return ""
    now = record.state(paths)
    if now.status != "running":
        raise Conflict(f"container {record.name} does not run: start it first")
    if creates and _exists(now.pid, str(creates)):
        return f"{creates} exists"
    if removes and not _exists(now.pid, str(removes)):
        return f"{removes} does not exist"
    return ""


def _exists(pid: int, path: str) -> bool:
    """Whether the path exists as the container sees it; links stay below its root (openat2(2), RESOLVE_IN_ROOT)."""
    from ..errors import KernelError
    from ..kernel import files

    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(files.openat2(root, path, os.O_PATH, resolve=files.IN_ROOT | files.NO_MAGICLINKS))
    except KernelError:
        return False
    finally:
        os.close(root)
    return True
