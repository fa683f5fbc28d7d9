# SPDX-License-Identifier: GPL-3.0-or-later
"""An interpreter of ours that no container can write to: /proc/PID/exe of what it becomes leads to a read-only mount or a sealed copy.

Without a user namespace a container's root could otherwise open the host's interpreter by that link (CVE-2019-5736).
"""

from __future__ import annotations

import fcntl
import os
import sys

from ..errors import KernelError
from ..kernel import mounts
from . import link
from .nursery import Nursling

_ENGINE = __package__.rpartition(".")[0]
# Isolated and without site-packages, it finds the engine where its parent did.
_CODE = f"""\
import sys
door, entry, home, *paths = sys.argv[1:]
sys.path += [path for path in paths if path not in sys.path]
__import__("{_ENGINE}.packed", fromlist=("install",)).install(home)
sys.exit(__import__("{_ENGINE}." + entry, fromlist=("main",)).main(int(door)))
"""
_ADD_SEALS, _ALL_SEALS = 1033, 0x1 | 0x2 | 0x4 | 0x8  # fcntl(2): seal, shrink, grow, write


def start(entry: str) -> Nursling:
    """Start `main(descriptor of its end of the link)` of the engine's module `entry` in an interpreter that can't be written to.

    It gets this process's standard streams and its inheritable descriptors, no environment, and ends with what main
    returns. Worth doing first: it gets ready while its parent reads and decides.
    """
    ours, theirs = link.pair()
    interpreter = open_interpreter()
    pid = os.fork()
    if pid:
        theirs.close()
        os.close(interpreter)
        return Nursling(pid, ours)
    try:
        ours.close()
        os.set_inheritable(theirs.fileno(), True)
        home = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
        words = [sys.executable, "-I", "-S", "-c", _CODE, str(theirs.fileno()), entry, os.path.dirname(home), *sys.path]
        os.execve(interpreter, words, {})
    except OSError as error:
        link.send_error(theirs, error)
    finally:
        os._exit(1)


def open_interpreter() -> int:
    """A descriptor of the running interpreter to be executed: in a detached read-only mount, else as a sealed copy in memory."""
    path = os.path.realpath(sys.executable)
    try:
        tree = mounts.open_tree(path)
    except KernelError:
        return _copy(path)
    try:
        mounts.set_attributes(tree, mounts.ATTR_RDONLY | mounts.ATTR_NOSUID | mounts.ATTR_NODEV)
    except KernelError:
        os.close(tree)
        return _copy(path)
    return tree


def _copy(path: str) -> int:
    copy = os.memfd_create("berth", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(path, "rb") as source:
        left = os.fstat(source.fileno()).st_size
        while left > 0:
            done = os.sendfile(copy, source.fileno(), None, left)
            if not done:
                break
            left -= done
    fcntl.fcntl(copy, _ADD_SEALS, _ALL_SEALS)
    return copy
