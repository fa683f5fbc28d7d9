# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to a running container's streams: the supervisor's socket."""

from __future__ import annotations

import os

from ..errors import Conflict
from ..kernel import sockets
from ..kernel.sockets import Socket
from ..paths import Paths
from .record import Record


def open_stream(paths: Paths, record: Record) -> Socket:
    """A connection that carries the frames of runtime/wire.py: all output from now on, and input if the container takes any."""
    now = record.state(paths)
    if now.status != "running":
        raise Conflict(f"container {record.name} does not run: start it first")
    end = Socket(sockets.AF_UNIX, sockets.SOCK_STREAM | sockets.SOCK_CLOEXEC)
    directory = os.open(paths.container_run(record.id), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Through the descriptor, since the path may be longer than a socket address can be.
        end.connect(f"/proc/self/fd/{directory}/control.sock")
    except (FileNotFoundError, ConnectionRefusedError):
        end.close()
        raise Conflict(f"container {record.name} runs without its supervisor: restart it to attach to it") from None
    finally:
        os.close(directory)
    return end
