# SPDX-License-Identifier: GPL-3.0-or-later
"""The last steps of a process of ours before it is the container's: the same code starts a container and joins one.

It executes config.json's "process" (runtime-spec 1.2, config.md), but for what needs the host's rights (see limits.give).
"""

from __future__ import annotations

import errno
import os
import stat

from ..errors import CommandNotExecutable, CommandNotFound, EngineError, InvalidSpec
from ..kernel import capabilities, capsets, process, seccomp, signals
from . import labels, limits, springboard, users

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn, Protocol

    class Filter(Protocol):
        """A compiled seccomp filter: an array of struct sock_filter, and SECCOMP_FILTER_FLAG_* of seccomp(2)."""

        @property
        def code(self) -> bytes: ...
        @property
        def flags(self) -> int: ...


_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SETS = ("bounding", "permitted", "effective", "inheritable", "ambient")
# include/uapi/linux/personality.h
_DOMAINS = {"LINUX": 0x0000, "LINUX32": 0x0008}


def become(
    wanted: dict[str, Any],
    *,
    user: str | None = None,
    groups: tuple[str, ...] = (),
    personality: dict[str, Any] | None = None,
    program: Filter | None = None,
    report: Callable[[int], object] | None = None,
    gate: Callable[[], object] | None = None,
    last: Callable[[], object] | None = None,
    preserve: int = 0,
    keyring: bool = True,
    clamp: bool = False,
    shield: bool = False,
    proc: int = -1,
) -> NoReturn:
    """Turn into the process that `wanted` (config.json's "process") describes. Errors are EngineErrors; it never returns.

    Standard input, output and error are in place already; every other descriptor but `preserve` ones from 3 up is closed
    by the execve(2). The user is that of `wanted` by numbers, or `user` in Docker's grammar with `groups` beside it, looked
    up in the current root. `personality` is config.json's linux.personality. `program` is installed right before the
    execve(2) when there are no new privileges, else before capabilities are dropped; `report` is given its listener.
    `gate` is called when nothing can fail any more but the execve(2) itself, `last` after it and under the filter. `clamp`
    makes the best of limits that this host does not allow. `shield` keeps the host's interpreter out of the reach of a
    container whose root is the host's (see springboard), but for one that a label confines. `proc` is a descriptor of a
    trusted procfs for labels, -1 for /proc.

    What a caller of ours left behind does not reach the process: signals, umask (022 unless given), personality, timer
    slack, secure bits, keyring. Niceness, processors and limits: see limits.forget_scheduling and forget_callers.
    """
    identity = _identity(wanted.get("user") or {}, user, groups)
    environment = _environment(wanted.get("env") or (), identity.home)
    arguments = _arguments(wanted.get("args") or ())
    sets = capability_sets(wanted)
    privileges_stay = bool(wanted.get("noNewPrivileges"))
    _reset(wanted, personality, keyring=keyring)
    _confine(wanted, proc)
    _keep_descriptors(3 + preserve)
    own_pipes((0, 1, 2), identity.uid)
    limits.apply(wanted.get("rlimits") or (), clamp=clamp)
    early = None if privileges_stay else program
    _change_user(identity, sets, str(wanted.get("cwd") or "/"), lambda: _install(early, report))
    if privileges_stay:
        process.set_no_new_privs()
    path = _find(arguments[0], environment) if (gate or shield) and _may_ask() else ""
    if gate:
        gate()
    if privileges_stay:
        _install(program, report)
    if last:
        last()
    if shield and path and not labels.wanted(wanted):
        springboard.jump(path, arguments, environment)
    _execute(arguments, environment)


def capability_sets(wanted: dict[str, Any]) -> dict[str, int]:
    """The five sets of config.json's "process" as masks, each no larger than the kernel would take it.

    Where this process lacks a capability it can't give it: that is no error (runtime-spec config.md, Linux Process).
    """
    named = wanted.get("capabilities") or {}
    held = capsets.permitted()
    sets = {name: capabilities.mask(named.get(name) or ()) for name in _SETS}
    sets["bounding"] &= capsets.bounding()
    sets["permitted"] &= held
    sets["effective"] &= sets["permitted"]
    sets["inheritable"] &= held & sets["bounding"]
    sets["ambient"] &= sets["permitted"] & sets["inheritable"]
    return sets


def ungranted(wanted: dict[str, Any]) -> tuple[str, ...]:
    """The capabilities that `wanted` names and that can't be given here, unknown names among them: worth a warning."""
    named = wanted.get("capabilities") or {}
    names = sorted({name for kind in _SETS for name in named.get(kind) or ()})
    held = capsets.permitted()
    return tuple(name for name in names if not capabilities.mask((name,)) & held)


def own_pipes(streams: tuple[int, ...], owner: int | None) -> None:
    """Give the pipes among `streams` to `owner`: who opens /dev/stdout opens the pipe anew, and must be allowed to.

    In a user namespace this takes two steps: the host's root gives them to the container's, and that one to its user.
    Others' pipes, which it may not give away, stay theirs.
    """
    for fd in streams:
        if owner and stat.S_ISFIFO(os.fstat(fd).st_mode):
            try:
                os.fchown(fd, owner, owner)
            except PermissionError:
                continue


def _identity(entry: dict[str, Any], user: str | None, groups: tuple[str, ...]) -> users.Identity:
    extra = tuple(entry.get("additionalGids") or ())
    if user is None:
        return users.by_numbers(entry.get("uid", 0), entry.get("gid", 0), extra)
    return users.look_up(user, (*(str(gid) for gid in extra), *groups))


def _environment(pairs: Iterable[str], home: str) -> dict[str, str]:
    environment = {}
    for pair in pairs:
        name, equals, value = str(pair).partition("=")
        if not name or not equals or "\0" in pair:
            raise InvalidSpec(f"process.env: {pair!a} is not NAME=value")
        environment[name] = value
    environment.setdefault("PATH", _DEFAULT_PATH)
    environment.setdefault("HOME", home)
    return environment


def _arguments(words: Iterable[str]) -> list[str]:
    arguments = [str(word) for word in words]
    if not arguments or not arguments[0]:
        raise InvalidSpec("process.args: there is no command to execute")
    if any("\0" in word for word in arguments):
        raise InvalidSpec("process.args: an argument holds a zero byte")
    return arguments


def _reset(wanted: dict[str, Any], personality: dict[str, Any] | None, *, keyring: bool) -> None:
    # Handlers vanish at execve(2), ignored signals do not: CPython ignores two, the supervisor some more.
    for number in signals.ignored():
        signals.signal(number, signals.SIG_DFL)
    signals.pthread_sigmask(signals.SIG_SETMASK, ())
    mask = (wanted.get("user") or {}).get("umask")
    os.umask(0o022 if mask is None else mask & 0o777)
    process.personality(_domain(personality or {}))
    process.reset_habits()
    if keyring:
        process.new_session_keyring()


def _domain(entry: dict[str, Any]) -> int:
    name = entry.get("domain", "LINUX")
    if name not in _DOMAINS:
        raise InvalidSpec(f"linux.personality.domain: {name!a} is none: write LINUX or LINUX32")
    if entry.get("flags"):
        raise InvalidSpec("linux.personality.flags: the specification has none yet: leave them out")
    return _DOMAINS[name]


def _confine(wanted: dict[str, Any], proc: int) -> None:
    if not labels.wanted(wanted):
        return
    own = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) if proc < 0 else proc
    try:
        labels.confine_on_exec(wanted, own)
    finally:
        os.close(own)


def _keep_descriptors(first: int) -> None:
    process.close_from(first, on_exec=True)
    for fd in range(3, first):
        try:
            os.set_inheritable(fd, True)
        except OSError as error:
            raise InvalidSpec(f"descriptor {fd} is to be kept, and it is not open") from error


def _install(program: Filter | None, report: Callable[[int], object] | None) -> None:
    if not program:
        return
    listener = seccomp.install(program.code, program.flags)
    if report and listener >= 0:
        report(listener)


def _change_user(identity: users.Identity, sets: dict[str, int], cwd: str, install: Callable[[], object]) -> None:
    """Drop what `identity` is not to have, with the filter on just before, and stand in `cwd` afterwards."""
    entered = _enter_directory(cwd, last=False)
    if entered:
        # Before a filter that may forbid asking.
        _check_directory(cwd)
    install()
    _drop(identity, sets)
    if not entered:
        _enter_directory(cwd, last=True)
        _check_directory(cwd)


def _enter_directory(path: str, *, last: bool) -> bool:
    """chdir(2): first with the rights of the container's root, as Docker does, then with the user's."""
    try:
        os.chdir(path)
    except PermissionError as error:
        if last:
            raise EngineError(f"working_dir {path}: {error.strerror}") from error
        return False
    except OSError as error:
        raise EngineError(f"working_dir {path}: {error.strerror}") from error
    return True


def _check_directory(path: str) -> None:
    """A directory outside the root has no path inside it (CVE-2024-21626)."""
    try:
        outside = not os.getcwd().startswith("/")
    except FileNotFoundError:
        outside = True
    if outside:
        raise EngineError(f"working_dir {path} leads out of the container")


def _drop(identity: users.Identity, sets: dict[str, int]) -> None:
    capsets.limit_bounding(sets["bounding"])
    process.keep_capabilities()
    try:
        os.setgroups(identity.groups)
    except PermissionError:
        # Whoever made the user namespace may have denied it for good (user_namespaces(7)).
        if identity.groups:
            raise
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
    # The execve(2) leaves a user other than root the ambient ones; until then it has no more.
    effective = sets["ambient"] if identity.uid else sets["effective"]
    capsets.set_all(sets["permitted"], effective=effective, inheritable=sets["inheritable"], ambient=sets["ambient"])


def _candidates(name: str, environment: dict[str, str]) -> list[str]:
    return [name] if "/" in name else [f"{part or '.'}/{name}" for part in environment["PATH"].split(":")]


def _may_ask() -> bool:
    """Whether faccessat2(2) tells the truth: a filter older than it makes it fail, and then only execve(2) knows."""
    return os.access("/", os.F_OK, effective_ids=True)


def _find(name: str, environment: dict[str, str]) -> str:
    """The path of the command. Raises what _execute would, as far as it can be told without executing."""
    found = False
    for path in _candidates(name, environment):
        if os.access(path, os.X_OK, effective_ids=True) and not os.path.isdir(path):
            return path
        found = found or os.path.exists(path)
    raise _refusal(name, environment, os.strerror(errno.EACCES) if found else "")


def _execute(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    reason = ""
    for path in _candidates(arguments[0], environment):
        try:
            os.execve(path, arguments, environment)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                reason = error.strerror or str(error)
            elif os.path.exists(path):
                raise CommandNotFound(
                    f"command {arguments[0]!a} is there and its interpreter is not: exec {path}: no such file or directory"
                ) from error
    raise _refusal(arguments[0], environment, reason)


def _refusal(name: str, environment: dict[str, str], reason: str) -> EngineError:
    if reason:
        return CommandNotExecutable(f"command {name!a} can't be executed: {reason}")
    where = "" if "/" in name else f" in PATH {environment['PATH']}"
    return CommandNotFound(f"command {name!a} is not in the container{where}")
