# SPDX-License-Identifier: GPL-3.0-or-later
"""A program for x86_64 that makes a list of system calls and prints what the kernel answered: nothing else runs between them."""

from __future__ import annotations

import struct
from typing import NamedTuple

_BASE, _HEAD = 0x400000, 0x78
_NOTHING = (0xFFFFFFFFFFFFFFFF,) * 6


class Call(NamedTuple):
    """One system call; `narrow` makes it by int 0x80, as a 32-bit program does."""

    number: int
    args: tuple[int, ...] = _NOTHING
    narrow: bool = False


# Where the data of a program begins.
DATA = _BASE + _HEAD


def program(calls: list[Call], data: bytes = b"") -> bytes:
    """A static ELF executable (elf(5)) that writes each call's answer as eight bytes to standard output."""
    start = DATA + len(data)
    size = sum(len(_code(call, 0)) for call in calls) + 64
    buffer = (start + size + 15) & ~15
    code = b"\x49\xbf" + struct.pack("<Q", buffer)  # mov r15, buffer
    code += b"".join(_code(call, index) for index, call in enumerate(calls))
    # write(1, buffer, size); exit_group(0)
    code += (
        b"\xbf\x01\x00\x00\x00\x4c\x89\xfe\xba" + struct.pack("<I", 8 * len(calls)) + b"\xb8\x01\x00\x00\x00\x0f\x05"
    )
    code += b"\x31\xff\xb8\xe7\x00\x00\x00\x0f\x05"
    memory = buffer + 8 * len(calls) - _BASE
    head = (
        b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    head += struct.pack("<IIQQQQQQ", 1, 7, 0, _BASE, _BASE, start - _BASE + len(code), memory, 0x1000)
    return head + data + code


def answers(text: str) -> list[int]:
    """The numbers of `od -An -v -t d8`."""
    return [int(word) for word in text.split()]


def _code(call: Call, index: int) -> bytes:
    args = (*call.args, *[0] * (6 - len(call.args)))
    if call.narrow:
        # mov ebx, ecx, edx, esi, edi, ebp, eax
        moves = b"".join(
            bytes((op,)) + struct.pack("<I", arg & 0xFFFFFFFF)
            for op, arg in zip(b"\xbb\xb9\xba\xbe\xbf\xbd", args, strict=True)
        )
        # The upper half of the answer is not the kernel's: movsxd rax, eax
        enter = b"\xcd\x80\x48\x63\xc0"
    else:
        # mov rdi, rsi, rdx, r10, r8, r9
        moves = b"".join(
            op + struct.pack("<Q", arg)
            for op, arg in zip(
                (b"\x48\xbf", b"\x48\xbe", b"\x48\xba", b"\x49\xba", b"\x49\xb8", b"\x49\xb9"), args, strict=True
            )
        )
        enter = b"\x0f\x05"
    store = b"\x49\x89\x87" + struct.pack("<I", 8 * index)  # mov [r15 + 8 * index], rax
    return moves + b"\xb8" + struct.pack("<I", call.number) + enter + store
