# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks of config.json (runtime-spec config.md, POSIX-platform Hooks): each a program, given the container's state on standard input."""

from __future__ import annotations

import os
import select
import time

from .. import jsontext
from ..errors import EngineError
from ..kernel import process, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

_MOST_OUTPUT = 4096


def run_all(kind: str, hooks: Sequence[dict[str, Any]], state: dict[str, Any], cwd: str) -> None:
    """Run each of `hooks` to its end, in their order. EngineError for the first that fails; the rest is not run then.

    It is told by its number, from 0 as runc counts.
    """
    for number, hook in enumerate(hooks):
        run(f"{kind} hook #{number}", hook, state, cwd)


def run(what: str, hook: dict[str, Any], state: dict[str, Any], cwd: str) -> None:
    """Run one hook. EngineError with what it wrote when it ends with another status than 0, by a signal, or not in time.

    It starts in the directory `cwd` where it may. Without "env" it has the environment of this process.
    """
    read, write = os.pipe2(os.O_CLOEXEC)
    output, into = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _execute(hook, read, into, cwd)
    os.close(read)
    os.close(into)
    try:
        _feed(write, jsontext.dumps(state).encode())
        said = _follow(pid, output, hook.get("timeout"))
    finally:
        os.close(output)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if said is None:
        raise EngineError(
            f"error running {what}: it did not end within its timeout of {hook['timeout']} s: {hook['path']}"
        )
    if code:
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        text = f": {said.decode('utf-8', 'replace').strip()}" if said.strip() else ""
        # The first half is what callers of runc look for, the second what those of crun do.
        raise EngineError(f"error running {what}: {what.partition(' #')[0]} failed with {how}: {hook['path']}{text}")


def _execute(hook: dict[str, Any], stdin: int, output: int, cwd: str) -> NoReturn:
    try:
        for number in signals.ignored():
            signals.signal(number, signals.SIG_DFL)
        signals.pthread_sigmask(signals.SIG_SETMASK, ())
        os.chdir(cwd if os.access(cwd, os.X_OK) else "/")
        for fd, number in ((stdin, 0), (output, 1), (output, 2)):
            os.dup2(fd, number)
        process.close_from(3, on_exec=True)
        environment = hook.get("env")
        words = hook.get("args") or [hook["path"]]
        pairs = os.environ if environment is None else dict(pair.partition("=")[::2] for pair in environment)
        os.execve(hook["path"], words, pairs)
    except OSError as error:
        os.write(output, f"{error.strerror}".encode())
    finally:
        os._exit(127)


def _feed(fd: int, data: bytes) -> None:
    """A state is shorter than a pipe is deep, or else it waits; a hook need not read it."""
    try:
        os.set_blocking(fd, len(data) > 1 << 16)
        os.write(fd, data)
    except BrokenPipeError:
        return
    finally:
        os.close(fd)


def _follow(pid: int, output: int, timeout: float | None) -> bytes | None:
    """What it wrote, the last of it; None when its time was up, and it is killed then. It is left to be reaped."""
    said = b""
    end = time.monotonic() + timeout if timeout else None
    pidfd = process.open_pidfd(pid)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(output, select.POLLIN)
    try:
        while True:
            left = None if end is None else max(0.0, end - time.monotonic()) * 1000
            ready = dict(poll.poll(left))
            if output in ready:
                chunk = os.read(output, _MOST_OUTPUT)
                said = (said + chunk)[-_MOST_OUTPUT:]
                if not chunk:
                    poll.unregister(output)
                continue
            if pidfd in ready:
                return said
            process.send_signal(pidfd, signals.SIGKILL)
            return None
    finally:
        os.close(pidfd)
