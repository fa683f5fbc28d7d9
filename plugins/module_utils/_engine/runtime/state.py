# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a container's processes: written by the supervisor, believed only when the kernel agrees."""

from __future__ import annotations

import os

from ..errors import NotFound
from ..kernel import proc
from ..records import read_record, write_record
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class State(Value):
    """`status` is created, running or exited. Times are seconds since the epoch; `exit_code` is -1 when nobody saw it.

    `pid` and `supervisor` are 0 when there is no such process; `lost` says that the container runs without its supervisor.
    `paused` says that somebody wants it to stand still: it runs, and does nothing.
    """

    status: str = "created"
    pid: int = 0
    supervisor: int = 0
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    paused: bool = False

    @property
    def shown(self) -> str:
        """`status` in Docker's words, which has one more: paused."""
        return "paused" if self.paused else self.status

    @property
    def unseen(self) -> bool:
        """Whether it ended while nobody watched: what it held has still to be released."""
        return self.status == "exited" and self.exit_code == -1

    @property
    def lost(self) -> bool:
        return self.status == "running" and not self.supervisor


def write_running(run: str, pid: int, started_at: float) -> None:
    """Say that the container runs under this process. A reboot may take the file."""
    fields = {
        "pid": pid, "pid_started": proc.start_time(pid), "boot": proc.boot_id(), "started_at": started_at,
        "supervisor": os.getpid(), "supervisor_started": proc.start_time(os.getpid()),
    }  # fmt: skip
    write_record(f"{run}/state.json", fields, durable=False)


def write_paused(run: str, *, paused: bool) -> None:
    """Say whether the container is to stand still. Idempotent; gone with the run."""
    try:
        if paused:
            os.close(os.open(f"{run}/paused", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        else:
            os.unlink(f"{run}/paused")
    except FileNotFoundError:
        return


def write_exited(home: str, fields: dict[str, Any]) -> None:
    """Keep how it ended: exit_code, started_at, finished_at, oom_killed, error."""
    write_record(f"{home}/exit.json", fields, durable=False)


def forget(run: str) -> None:
    """Remove the run-time directory: where there is none, nothing of a start is left. Idempotent."""
    try:
        # All that is there: a writer that was killed leaves a temporary file.
        names = os.listdir(run)
    except FileNotFoundError:
        return
    for name in names:
        try:
            os.unlink(f"{run}/{name}")
        except FileNotFoundError:
            continue
    os.rmdir(run)


def observe(home: str, run: str) -> State:
    """The state of the container whose directories these are: files first, then the kernel's word for each pid."""
    running = _read(f"{run}/state.json")
    if running and running["boot"] == proc.boot_id() and proc.is_alive(running["pid"], running["pid_started"]):
        alive = proc.is_alive(running["supervisor"], running["supervisor_started"])
        supervisor = running["supervisor"] if alive else 0
        paused = os.path.exists(f"{run}/paused")
        return State(
            status="running", pid=running["pid"], supervisor=supervisor, started_at=running["started_at"], paused=paused
        )
    ended = _read(f"{home}/exit.json")
    if running and (not ended or ended["started_at"] != running["started_at"]):
        return State(status="exited", started_at=running["started_at"], exit_code=-1, error="its end was not seen")
    if not ended:
        return State()
    return State(status="exited", **{name: ended[name] for name in State._fields if name in ended})


def supervisor_of(run: str) -> int:
    """The pid of a supervisor that is still there, whatever the container does; 0 for none."""
    running = _read(f"{run}/state.json")
    if running and proc.is_alive(running["supervisor"], running["supervisor_started"]):
        return int(running["supervisor"])
    return 0


def _read(path: str) -> dict[str, Any]:
    try:
        return read_record(path)
    except NotFound:
        return {}
