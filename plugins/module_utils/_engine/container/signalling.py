# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending a signal to a container's first process, and never to another that got its number."""

from __future__ import annotations

import os

from ..errors import KernelError
from ..kernel import process, signals
from ..paths import Paths
from .record import Record


def send(paths: Paths, record: Record, name: str) -> bool:
    """Send a signal (a name, or a number as text) to the container's first process; False when it is gone."""
    now = record.state(paths)
    if now.status != "running":
        return False
    number = signals.number_of(name)
    try:
        fd = process.open_pidfd(now.pid)
    except KernelError:
        return False
    try:
        return process.send_signal(fd, number)
    finally:
        os.close(fd)
