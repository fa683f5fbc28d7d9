# SPDX-License-Identifier: GPL-3.0-or-later
"""A pseudo-terminal of the container's own devpts, so that the names its programs see are right."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

from ..errors import Refused
from ..kernel import files

_TIOCGPTN, _TIOCSPTLCK, _TIOCGPTPEER = 0x80045430, 0x40045431, 0x5441
_PTMX = os.makedev(5, 2)


def open_pair() -> tuple[int, int, str]:
    """Master, slave and the slave's path; the caller closes both. Needs the container's /dev as the current one.

    Refused unless the master is a devpts's own: a container's /dev may hold anything. The slave is asked of the master, not
    of a path.
    """
    try:
        master = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"no terminal can be made in this container: /dev/pts/ptmx: {error.strerror}") from error
    try:
        if files.fstatfs_type(master) != files.DEVPTS_SUPER_MAGIC or os.fstat(master).st_rdev != _PTMX:
            raise Refused("/dev/pts in this container is no devpts, and no terminal can be made there")
        os.set_blocking(master, True)
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
        number = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, struct.pack("i", 0)))[0]
        slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except BaseException:
        os.close(master)
        raise
    return master, slave, f"/dev/pts/{number}"


def take(slave: int) -> None:
    """Make `slave` the controlling terminal of a new session, and standard input, output and error."""
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(slave, number)


def resize(terminal: int, rows: int, columns: int) -> None:
    """TIOCSWINSZ; the kernel tells the foreground processes by SIGWINCH."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows & 0xFFFF, columns & 0xFFFF, 0, 0))
