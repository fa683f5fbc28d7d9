# SPDX-License-Identifier: GPL-3.0-or-later
"""A last jump into the container's program from something that is nobody's: /proc/self/exe is then no longer the host's interpreter.

The kernel looks at that link once more while it executes a script (`#!/proc/self/exe`), and a container's root that is the
host's could open the interpreter by it and overwrite it (CVE-2019-5736). So the process becomes a sealed program in memory
first, which has two system calls: execve(2) of its arguments, and exit_group(2) with status 126.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct

from ..errors import CommandNotExecutable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CODE = {
    "x86_64": (
        62,
        # mov rdi, [rsp+8]; lea rsi, [rsp+16]; mov rax, [rsp]; lea rdx, [rsp+rax*8+16]; execve; exit_group(126)
        "488b7c2408 488d742410 488b0424 488d54c410 b83b000000 0f05 bf7e000000 b8e7000000 0f05",
    ),
    "aarch64": (
        183,
        # ldr x0, [sp, 8]; add x1, sp, 16; ldr x2, [sp]; add x2, x1, x2, lsl 3; execve; exit_group(126)
        "e00740f9 e1430091 e20340f9 220c028b a81b80d2 010000d4 c00f80d2 c80b80d2 010000d4",
    ),
}
_BASE = 0x400000
_HEADERS = 64 + 2 * 56
_LOAD, _STACK = 1, 0x6474E551
_MFD_EXEC = 0x10
_ADD_SEALS, _ALL_SEALS = 1033, 0x1 | 0x2 | 0x4 | 0x8


def program(machine: str) -> bytes:
    """The program as an ELF file (elf(5)); empty for a machine that it is not written for."""
    if machine not in _CODE:
        return b""
    kind, text = _CODE[machine]
    code = bytes.fromhex(text)
    size = _HEADERS + len(code)
    header = b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 2, kind, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 2, 0, 0, 0
    )
    load = struct.pack("<IIQQQQQQ", _LOAD, 5, 0, _BASE, _BASE, size, size, 0x1000)
    # A stack that can't be executed, and no personality that says otherwise.
    stack = struct.pack("<IIQQQQQQ", _STACK, 6, 0, 0, 0, 0, 0, 16)
    return header + load + stack + code


def jump(path: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Execute `path`, which has been found, by way of the program in memory. Comes back only where that can't be done.

    CommandNotExecutable for a file that is neither a program nor a script.
    """
    _check(path)
    board = _open_board()
    if board < 0:
        return
    words = [path, *arguments]
    for way in (board, f"/proc/self/fd/{board}"):
        try:
            os.execve(way, words, environment)
        except OSError:
            continue
    os.close(board)


def _check(path: str) -> None:
    """What the kernel would say of it must be said now: later there is nobody to hear it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # it may be executed and not be read
    try:
        begin = os.read(fd, 4) if stat.S_ISREG(os.fstat(fd).st_mode) else b"\x7fELF"
    finally:
        os.close(fd)
    if begin != b"\x7fELF" and begin[:2] != b"#!":
        raise CommandNotExecutable(f"command {path!a} can't be executed: {os.strerror(errno.ENOEXEC)}")


def _open_board() -> int:
    """A sealed memory file with the program, -1 where there can be none."""
    data = program(os.uname().machine)
    if not data:
        return -1
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        try:
            board = os.memfd_create("berth", flags | _MFD_EXEC)
        except OSError:
            board = os.memfd_create("berth", flags)  # before Linux 6.3
        os.write(board, data)
        fcntl.fcntl(board, _ADD_SEALS, _ALL_SEALS)
    except OSError:
        return -1
    return board
