# SPDX-License-Identifier: GPL-3.0-or-later
"""One flock per object, given back by the kernel when its holder dies; a wait has a limit and names who it waited for."""

from __future__ import annotations

import fcntl
import os
import time

from .errors import Busy, NotFound

PATIENCE = 60.0


class Lock:
    """`with Lock(paths.locks, "network-berth0"):` holds it; `shared=True` for readers of the store beside a collector.

    Lock files are never unlinked, so that their inode is the lock: take few and fixed names.
    """

    def __init__(self, directory: str, name: str, *, shared: bool = False, patience: float = PATIENCE) -> None:
        self.path, self.name = f"{directory}/{name}.lock", name
        self._flags, self._mode = os.O_RDWR | os.O_CREAT, fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._patience, self._fd = patience, -1

    def __enter__(self) -> Lock:
        if self._fd < 0:
            self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock, or raise Busy after `patience` seconds."""
        self._fd = os.open(self.path, self._flags | os.O_CLOEXEC, 0o600)
        end, pause = time.monotonic() + self._patience, 0.001
        while not self._try():
            if time.monotonic() >= end:
                holder = _holder(os.fstat(self._fd))
                self.release()
                raise Busy(
                    f"{self.name} is busy: {holder} has held it for {self._patience:.0f} s; wait for it, or end it"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)

    def take_over(self, descriptor: int) -> None:
        """Become the owner of a descriptor that holds this lock already."""
        self._fd = descriptor

    def fileno(self) -> int:
        """The descriptor that holds the lock: a forked process that keeps it open keeps the lock."""
        return self._fd

    def release(self) -> None:
        """Close our descriptor, which gives the lock back unless a child has it too; harmless when not held."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, self._mode | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class DirectoryLock(Lock):
    """The lock of an object that has a directory: the directory itself, so that it leaves nothing behind when it goes."""

    def __init__(self, path: str, name: str, *, patience: float = PATIENCE) -> None:
        super().__init__("", name, patience=patience)
        self.path, self._flags = path, os.O_RDONLY | os.O_DIRECTORY

    def acquire(self) -> None:
        """Take the lock; NotFound when the object is not there, or went while we waited."""
        try:
            super().acquire()
            if os.stat(self.path).st_ino == os.fstat(self._fd).st_ino:
                return
        except FileNotFoundError:
            pass
        self.release()
        raise NotFound(f"{self.name} is not there any more")


def _holder(locked: os.stat_result) -> str:
    """Who holds a flock, as proc_locks(5) tells it."""
    place = f"{os.major(locked.st_dev):02x}:{os.minor(locked.st_dev):02x}:{locked.st_ino}"
    with open("/proc/locks", encoding="utf-8") as file:
        for fields in map(str.split, file):
            if place in fields and "->" not in fields:
                return f"process {fields[4]}"
    return "another command"
