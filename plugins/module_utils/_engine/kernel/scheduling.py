# SPDX-License-Identifier: GPL-3.0-or-later
"""When and where a process runs: sched_setattr(2), ioprio_set(2), sched_setaffinity(2), in the words of config.json."""

from __future__ import annotations

import ctypes
import errno
import os

from ..errors import InvalidSpec, KernelError, NotPermitted, Unsupported
from .libc import syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# sched(7) and include/uapi/linux/sched.h.
_POLICIES = {
    "SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_ISO": 4, "SCHED_IDLE": 5, "SCHED_DEADLINE": 6,
}  # fmt: skip
_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01, "SCHED_FLAG_RECLAIM": 0x02, "SCHED_FLAG_DL_OVERRUN": 0x04, "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10, "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20, "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}  # fmt: skip
_IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_IO_CLASS_SHIFT, _IO_WHO_PROCESS = 13, 1
_MOST_PROCESSORS = 1024
_LEAST_RUNTIME = 1024


class _Attributes(ctypes.Structure):
    """struct sched_attr, as it was before its first extension."""

    _fields_ = (
        ("size", ctypes.c_uint32), ("policy", ctypes.c_uint32), ("flags", ctypes.c_uint64), ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32), ("runtime", ctypes.c_uint64), ("deadline", ctypes.c_uint64), ("period", ctypes.c_uint64),
    )  # fmt: skip


def scheduler_of(entry: dict[str, Any]) -> tuple[int, ...]:
    """config.json's "scheduler" as policy, flags, nice, priority, runtime, deadline, period. InvalidSpec for other words."""
    policy = entry.get("policy")
    if policy not in _POLICIES:
        raise InvalidSpec(f"process.scheduler.policy: {policy!a} is none: write one such as SCHED_OTHER")
    flags = 0
    for name in entry.get("flags") or ():
        if name not in _FLAGS:
            raise InvalidSpec(f"process.scheduler.flags: {name!a} is none: write one such as SCHED_FLAG_RESET_ON_FORK")
        flags |= _FLAGS[name]
    numbers = [entry.get(name) or 0 for name in ("nice", "priority", "runtime", "deadline", "period")]
    if not all(isinstance(number, int) for number in numbers) or not -20 <= numbers[0] <= 19 or min(numbers[1:]) < 0:
        raise InvalidSpec("process.scheduler: nice is a number from -20 to 19, and the others are not below 0")
    if policy == "SCHED_DEADLINE":
        _check_deadline(*numbers[2:])
    return (_POLICIES[policy], flags, *numbers)


def _check_deadline(runtime: int, deadline: int, period: int) -> None:
    """What sched(7) says of the three; a period of 0 is as long as the deadline."""
    if not _LEAST_RUNTIME <= runtime <= deadline <= (period or deadline):
        raise InvalidSpec(
            f"process.scheduler: SCHED_DEADLINE with runtime {runtime}, deadline {deadline}, period {period}: a runtime is "
            f"{_LEAST_RUNTIME} ns at least, a deadline not below it, and a period not below that, or 0"
        )


def set_scheduler(pid: int, entry: dict[str, Any]) -> None:
    """sched_setattr(2) for process `pid`, 0 for this one."""
    attributes = _Attributes(ctypes.sizeof(_Attributes), *scheduler_of(entry))
    try:
        syscall("sched_setattr", pid, ctypes.byref(attributes), 0, subject=str(entry["policy"]))
    except KernelError as error:
        if error.errno == errno.EPERM:
            raise NotPermitted(
                f"process.scheduler {entry['policy']}: this host does not allow it: it takes CAP_SYS_NICE, and a realtime one "
                "in a group of version 1 linux.resources.cpu.realtimeRuntime as well"
            ) from error
        if error.errno in (errno.EINVAL, errno.EBUSY):
            raise Unsupported(f"process.scheduler {entry['policy']}: {os.strerror(error.errno)}") from error
        raise


def io_class(name: object) -> int:
    """The number of a class of I/O priority."""
    if name not in _IO_CLASSES:
        raise InvalidSpec(f"process.ioPriority.class: {name!a} is none: write one such as IOPRIO_CLASS_BE")
    return _IO_CLASSES[str(name)]


def set_io_priority(pid: int, kind: int, level: int) -> None:
    """ioprio_set(2) for process `pid`, 0 for this one; class 0 is none of its own."""
    if not 0 <= level <= 7:
        raise InvalidSpec(f"process.ioPriority.priority: {level} is not between 0 and 7")
    try:
        syscall("ioprio_set", _IO_WHO_PROCESS, pid, kind << _IO_CLASS_SHIFT | level)
    except KernelError as error:
        if error.errno == errno.EPERM:
            raise NotPermitted("process.ioPriority: this host does not allow this class") from error
        # A kernel without block devices has none.
        if error.errno != errno.ENOSYS or kind:
            raise


def use_all_processors() -> None:
    """sched_setaffinity(2) to all there are; the kernel keeps those of the cpuset."""
    os.sched_setaffinity(0, range(_MOST_PROCESSORS))
