# SPDX-License-Identifier: GPL-3.0-or-later
"""One flock per object, given back by the kernel when its holder dies; a wait has a limit and names who it waited for."""

from __future__ import annotations

import fcntl
import os
import time

from .errors import Busy

PATIENCE = 60.0


class Lock:
    """`with Lock(paths.locks, "container-web"):` holds it; `shared=True` for readers of the store beside a collector."""

    def __init__(self, directory: str, name: str, *, shared: bool = False, patience: float = PATIENCE) -> None:
        self.path = f"{directory}/{name}.lock"
        self._mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._shared, self._patience, self._fd = shared, patience, -1

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock, or raise Busy after `patience` seconds. Lock files are never unlinked, so their inode is the lock."""
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        end, pause = time.monotonic() + self._patience, 0.001
        while not self._try():
            if time.monotonic() >= end:
                holder = os.pread(self._fd, 200, 0).decode(errors="replace").strip()
                self.release()
                raise Busy(f"{os.path.basename(self.path)[:-5]} is busy: {holder or 'another command'} has held it for {self._patience:.0f} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)
        if not self._shared:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"process {os.getpid()}".encode(), 0)

    def release(self) -> None:
        """Give it back; harmless when not held."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, self._mode | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
