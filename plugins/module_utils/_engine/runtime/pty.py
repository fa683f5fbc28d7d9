# SPDX-License-Identifier: GPL-3.0-or-later
"""A pseudo-terminal of the container's own devpts, so that the names its programs see are right."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

_TIOCGPTN, _TIOCSPTLCK = 0x80045430, 0x40045431


def open_pair() -> tuple[int, int, str]:
    """Master, slave and the slave's path; the caller closes both. Needs the container's /dev as the current one."""
    master = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    number = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, struct.pack("i", 0)))[0]
    path = f"/dev/pts/{number}"
    return master, os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC), path


def take(slave: int) -> None:
    """Make `slave` the controlling terminal of a new session, and standard input, output and error."""
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(slave, number)


def resize(terminal: int, rows: int, columns: int) -> None:
    """TIOCSWINSZ; the kernel tells the foreground processes by SIGWINCH."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows & 0xFFFF, columns & 0xFFFF, 0, 0))
