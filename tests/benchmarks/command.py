# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one command to its end, with a time limit, and says how long it took or why it failed."""

from __future__ import annotations

import contextlib
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO


class CommandFailed(Exception):
    """A command ended with another status than 0, or not in time; the text is for the report."""


def run(argv: Sequence[str], *, stdin: IO[bytes] | None = None, limit: float = 120) -> str:
    """Its standard output, stripped."""
    return clock(argv, stdin=stdin, limit=limit)[1]


def clock(argv: Sequence[str], *, stdin: IO[bytes] | None = None, limit: float = 120) -> tuple[float, str]:
    """Milliseconds from before the fork until it has ended and closed its outputs, and its standard output, stripped.

    A daemon that keeps the caller's outputs open is thus a failure, as it is for everyone who writes $(engine run -d ...)."""
    with _deadline(limit, argv):
        start = time.perf_counter()
        done = subprocess.run(argv, check=False, stdin=stdin or subprocess.DEVNULL, capture_output=True)
        elapsed = (time.perf_counter() - start) * 1000
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace")
        raise CommandFailed(f"{_shorten(argv)}: exit status {done.returncode}: {words[-600:]}")
    return elapsed, done.stdout.decode(errors="replace").strip()


def peak(argv: Sequence[str], *, limit: float = 120) -> float:
    """The most memory, in bytes, that the command and its children had together (PSS, looked at every 20 ms)."""
    most = 0
    with _deadline(limit, argv):
        words = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(argv, start_new_session=True, **words)
        while process.poll() is None:
            most = max(most, sum(map(_memory, _session(process.pid))))
            time.sleep(0.02)
    if process.returncode:
        raise CommandFailed(f"{_shorten(argv)}: exit status {process.returncode}")
    return most


def _session(ident: int) -> list[str]:
    """The processes of a session, as directories of /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((path / "stat").read_text().rpartition(")")[2].split()[3]) == ident:
                found.append(str(path))
    return found


def _memory(path: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(path, "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def _deadline(limit: float, argv: Sequence[str]) -> Iterator[None]:
    # An alarm and not subprocess's own timeout, which polls with sleeps of up to 50 ms and would be measured.
    def expire(_signal: int, _frame: FrameType | None) -> None:
        raise CommandFailed(f"{_shorten(argv)}: not done in {limit:g} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _shorten(argv: Sequence[str]) -> str:
    words = shlex.join(argv)
    return words if len(words) <= 160 else f"{words[:157]}..."
