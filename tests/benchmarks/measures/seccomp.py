# SPDX-License-Identifier: GPL-3.0-or-later
"""What a system call costs under each engine's default filter: loops of nothing else, timed by the program that makes them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from ..command import run
from ..engines import BASE, IDLE, Engine
from ..report import Need, Row
from ..trial import Bench

KINDS = ("getpid", "openat and close", "read of one byte")
_TURNS = 40
_CONTAINER = "bench-seccomp"
_BASE, _HEAD, _BUFFER = 0x400000, 0x78, 0x406000
_SYSCALL = b"\x0f\x05"


def measure(bench: Bench) -> Iterator[Row]:
    loops = bench.size(5_000, 2_500)
    program = bench.scratch / "loops"
    program.write_bytes(_program(loops))

    def take(engine: Engine, _index: int) -> tuple[float, ...]:
        words = [
            int(word) for word in run(engine.exec(_CONTAINER, "/bin/sh", "-c", "/loops | od -An -v -t d8")).split()
        ]
        times = [words[at] * 1_000_000_000 + words[at + 1] for at in range(0, len(words), 2)]
        spans = [(times[at + 1] - times[at]) / loops for at in range(0, len(times), 2)]
        return tuple(min(spans[column :: len(KINDS)]) for column in range(len(KINDS)))

    with bench.trial() as trial:
        trial.each(lambda engine: _prepare(engine, program))
        trial.sample(bench.repeats(25, 7), take, warm=True)
        for column, kind in enumerate(KINDS):
            yield trial.row(f"{kind} under the filter", "ns", Need(ratio=1.05), column=column)


def _prepare(engine: Engine, program: Path) -> None:
    run(engine.run(BASE, IDLE, name=_CONTAINER))
    with program.open("rb") as file:
        run(engine.exec_with_input(_CONTAINER, "/bin/sh", "-c", "cat >/loops && chmod 755 /loops"), stdin=file)


def _program(loops: int) -> bytes:
    """A static executable for x86_64 that writes two struct timespec for each loop, of each of KINDS in turn: the best turn counts."""
    paths = b"/dev/zero\0/dev\0"
    zero, dev = _BUFFER + 0xF80, _BUFFER + 0xF80 + paths.index(b"/dev\0")
    kinds = (
        _number(39),
        _open(dev) + b"\x89\xc7" + _number(3),  # mov edi, eax
        b"\x44\x89\xef\xbe"
        + struct.pack("<I", _BUFFER + 0xF00)
        + b"\xba\x01\x00\x00\x00"
        + _number(0),  # mov edi, r13d
    )
    bodies = kinds * _TURNS
    code = _open(zero) + b"\x41\x89\xc5"  # mov r13d, eax
    for index, body in enumerate(bodies):
        step = body + b"\x41\xff\xce"  # dec r14d
        code += _clock(32 * index) + b"\x41\xbe" + struct.pack("<I", loops) + step
        code += b"\x0f\x85" + struct.pack("<i", -len(step) - 6) + _clock(32 * index + 16)  # jnz
    code += b"\xbf\x01\x00\x00\x00\xbe" + struct.pack("<I", _BUFFER)
    code += b"\xba" + struct.pack("<I", 32 * len(bodies)) + _number(1) + b"\x31\xff" + _number(231)
    image = (code.ljust(_BUFFER + 0xF80 - _BASE - _HEAD, b"\0")) + paths
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, _BASE + _HEAD, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = _HEAD + len(image)
    return head + struct.pack("<IIQQQQQQ", 1, 7, 0, _BASE, _BASE, size, size, 0x1000) + image


def _number(number: int) -> bytes:
    """mov eax, number; syscall."""
    return b"\xb8" + struct.pack("<I", number) + _SYSCALL


def _open(path: int) -> bytes:
    """openat(AT_FDCWD, path, O_RDONLY)."""
    return b"\xbf" + struct.pack("<iBI", -100, 0xBE, path) + b"\x31\xd2" + _number(257)


def _clock(offset: int) -> bytes:
    """clock_gettime(CLOCK_MONOTONIC, _BUFFER + offset)."""
    return b"\xbf\x01\x00\x00\x00\xbe" + struct.pack("<I", _BUFFER + offset) + _number(228)
