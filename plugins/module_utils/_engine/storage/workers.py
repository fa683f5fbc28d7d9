# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in forked processes, a few at once: results, progress and errors come back by pipe, and none outlives its parent."""

from __future__ import annotations

import errno
import os
import select
import signal

from ..errors import EngineError, from_os, named
from ..kernel.process import die_with_parent
from ..records import write_all
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Told = Callable[[int], object]
    Work = Callable[[Told], Any]

_MOST = 4
_EVERY = 256 * 1024


class Task(Value):
    """`work` gets a function to tell its progress to, and returns what pickle can hold; `name` is for sentences."""

    name: str
    work: Work


class _Worker:
    def __init__(self, number: int, pid: int, pipe: int) -> None:
        self.number, self.pid, self.pipe = number, pid, pipe
        self.data = bytearray()


def run(tasks: list[Task], told: Callable[[int, int], object]) -> list[Any]:
    """What each task returned, in order. `told` hears (task number, progress), -1 at its end. The first error ends the others and flies."""
    waiting = list(range(len(tasks)))[::-1]
    running: dict[int, _Worker] = {}
    results: list[Any] = [None] * len(tasks)
    most = min(max(len(os.sched_getaffinity(0)), 2), _MOST)
    try:
        while waiting or running:
            while waiting and len(running) < most:
                number = waiting.pop()
                worker = _start(number, tasks[number], running)
                running[worker.pipe] = worker
            for pipe in select.select(list(running), (), ())[0]:
                worker = running[pipe]
                data = os.read(pipe, 1 << 16)
                worker.data += data
                _hear(worker, told)
                if not data:
                    del running[pipe]
                    results[worker.number] = _result(worker, tasks[worker.number])
                    told(worker.number, -1)
    finally:
        for worker in running.values():
            os.kill(worker.pid, signal.SIGKILL)
            os.close(worker.pipe)
            os.waitpid(worker.pid, 0)
    return results


def _start(number: int, task: Task, others: dict[int, _Worker]) -> _Worker:
    source, sink = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        os.close(sink)
        return _Worker(number, pid, source)
    code = 1
    try:
        die_with_parent(parent)
        os.close(source)
        for pipe in others:
            os.close(pipe)
        write_all(sink, b"!" + _outcome(task, _teller(sink)))
        code = 0
    finally:
        os._exit(code)


def _outcome(task: Task, told: Told) -> bytes:
    import pickle

    try:
        answer: tuple[str, Any] = ("value", task.work(told))
    except EngineError as error:
        answer = ("error", (type(error).__name__, str(error)))
    except OSError as error:
        answer = ("system", (error.errno or errno.EIO, error.strerror or str(error)))
    except BaseException:
        import traceback

        answer = ("bug", traceback.format_exc())
    return pickle.dumps(answer)


def _teller(sink: int) -> Told:
    """Tells every quarter of a mebibyte or so: a pipe's message for every block would cost more than it is worth."""
    last = 0

    def tell(count: int) -> None:
        nonlocal last
        if count - last >= _EVERY:
            last = count
            write_all(sink, b".%020d" % count)

    return tell


def _hear(worker: _Worker, told: Callable[[int, int], object]) -> None:
    count = -1
    while len(worker.data) >= 21 and worker.data[:1] == b".":
        count = int(worker.data[1:21])
        del worker.data[:21]
    if count >= 0:
        told(worker.number, count)


def _result(worker: _Worker, task: Task) -> Any:
    import pickle

    os.close(worker.pipe)
    status = os.waitpid(worker.pid, 0)[1]
    if worker.data[:1] != b"!" or status:
        how = f"by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "early"
        raise EngineError(f"{task.name}: the process that worked on it ended {how}: try again")
    kind, value = pickle.loads(bytes(worker.data[1:]))
    if kind == "error":
        raise named(*value)
    if kind == "system":
        raise from_os(OSError(*value), task.name)
    if kind == "bug":
        raise RuntimeError(f"{task.name}: {value}")
    return value
