# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans applied side by side, each in a child of its own: what one waits for, such as a container that is slow to stop, all wait once."""

from __future__ import annotations

import json
import os

from .. import errors
from ..errors import EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Callable

AT_ONCE = 16


def each(work: Mapping[str, Callable[[], object]], at_once: int = AT_ONCE) -> None:
    """Run every callable; one that fails stops no other. One EngineError for all that failed, with a line for each."""
    waiting, failed = list(work.items()), []
    running: dict[int, tuple[str, int]] = {}
    while waiting or running:
        while waiting and len(running) < at_once:
            name, call = waiting.pop(0)
            pid, receiver = _start(call)
            running[pid] = (name, receiver)
        pid = next(iter(running))
        name, receiver = running.pop(pid)
        failure = _outcome(name, pid, receiver)
        if failure:
            failed.append(failure)
    if len(failed) == 1:
        raise failed[0]
    if failed:
        raise type(failed[0])("\n".join(str(error) for error in failed))


def _start(call: Callable[[], object]) -> tuple[int, int]:
    receiver, sender = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        os.close(sender)
        return pid, receiver
    status = 1
    try:
        os.close(receiver)
        os.write(sender, json.dumps(_attempt(call)).encode())
        status = 0
    finally:
        os._exit(status)


def _attempt(call: Callable[[], object]) -> dict[str, Any]:
    try:
        call()
    except EngineError as error:
        return {"kind": type(error).__name__, "message": str(error)}
    return {}


def _outcome(name: str, pid: int, receiver: int) -> EngineError | None:
    """What the child said, read to its end, and then the child itself."""
    with open(receiver, "rb") as file:
        said = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status or not said:
        return EngineError(f"container {name}: its worker ended with status {status} and no word: run the task again")
    answer = json.loads(said)
    if not answer:
        return None
    kind = getattr(errors, answer["kind"], EngineError)
    if kind is errors.KernelError:
        kind = EngineError
    rebuilt: EngineError = kind(answer["message"])
    return rebuilt
