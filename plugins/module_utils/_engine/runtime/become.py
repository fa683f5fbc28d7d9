# SPDX-License-Identifier: GPL-3.0-or-later
"""The last steps of a process of ours before it is the container's: the same code starts a container and joins one."""

from __future__ import annotations

import errno
import os
import resource
import stat

from ..errors import CommandNotExecutable, CommandNotFound, EngineError
from ..kernel import process, signals
from . import users

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def become(wanted: dict[str, Any], user: str, mask: int) -> NoReturn:
    """Turn into the process that `wanted` (config.json's "process") describes, as `user`, holding at most `mask`.

    Standard input, output and error are in place already; every other descriptor is closed by the execve(2).
    """
    identity = users.look_up(user, tuple(str(gid) for gid in wanted["user"].get("additionalGids", ())))
    environment = _environment(wanted["env"], identity.home)
    _reset_signals()
    os.umask(wanted["user"].get("umask", 0o022))
    _limit(wanted.get("rlimits", ()))
    process.new_session_keyring()
    process.close_from(3, on_exec=True)
    own_pipes((0, 1, 2), identity.uid)
    _drop(identity, mask)
    if wanted.get("noNewPrivileges"):
        process.set_no_new_privs()
    _enter_directory(wanted["cwd"])
    _execute(wanted["args"], environment)


def own_pipes(streams: tuple[int, ...], owner: int | None) -> None:
    """Give the pipes among `streams` to `owner`: who opens /dev/stdout opens the pipe anew, and must be allowed to.

    In a user namespace this takes two steps: the host's root gives them to the container's, and that one to its user.
    """
    for fd in streams:
        if owner and stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.fchown(fd, owner, owner)


def prepare_directory(path: str) -> None:
    """Make the working directory while still root of the container, as Docker does."""
    try:
        os.makedirs(path, 0o755, exist_ok=True)
    except FileExistsError:
        raise EngineError(f"working_dir {path} is not a directory in the container") from None
    except OSError as error:
        if error.errno != errno.EROFS:
            raise EngineError(f"working_dir {path} can't be made in the container: {error.strerror}") from error


def _enter_directory(path: str) -> None:
    try:
        os.chdir(path)
    except OSError as error:
        raise EngineError(f"working_dir {path}: {error.strerror}") from error
    # A directory outside the root has no path inside it (CVE-2024-21626).
    if not os.getcwd().startswith("/"):
        raise EngineError(f"working_dir {path} leads out of the container")


def _environment(pairs: list[str], home: str) -> dict[str, str]:
    environment = dict(pair.partition("=")[::2] for pair in pairs)
    environment.setdefault("PATH", _DEFAULT_PATH)
    environment.setdefault("HOME", home)
    return environment


def _reset_signals() -> None:
    # Handlers vanish at execve(2), ignored signals do not: CPython ignores two, the supervisor some more.
    for number in signals.ignored():
        signals.signal(number, signals.SIG_DFL)
    signals.pthread_sigmask(signals.SIG_SETMASK, ())


def _limit(limits: list[dict[str, Any]]) -> None:
    for entry in limits:
        number = getattr(resource, entry["type"])
        ceiling = resource.getrlimit(number)[1]
        soft, hard = (_at_most(value, ceiling) for value in (entry["soft"], entry["hard"]))
        resource.setrlimit(number, (_at_most(soft, hard), hard))


def _at_most(value: int, ceiling: int) -> int:
    """Raising a hard limit needs a right that even root may lack: defaults are clamped, not refused."""
    infinite = resource.RLIM_INFINITY
    if ceiling == infinite:
        return value
    return ceiling if value == infinite else min(value, ceiling)


def _drop(identity: users.Identity, mask: int) -> None:
    # Where the engine itself lacks a capability, all means all there are (runtime-spec config.md, Linux Process).
    mask &= process.permitted_capabilities()
    process.limit_bounding(mask)
    os.setgroups(identity.groups)
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
    if identity.uid == 0:
        process.set_capabilities(mask, effective=mask)


def _execute(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    name = arguments[0]
    found: OSError | None = None
    for path in [name] if "/" in name else [f"{part or '.'}/{name}" for part in environment["PATH"].split(":")]:
        try:
            os.execve(path, arguments, environment)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                found = error
    if found is None:
        where = "" if "/" in name else f" in PATH {environment['PATH']}"
        raise CommandNotFound(f"command {name!a} is not in the container{where}")
    raise CommandNotExecutable(f"command {name!a} can't be executed: {found.strerror}")
