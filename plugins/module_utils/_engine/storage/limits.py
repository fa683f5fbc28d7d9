# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of foreign input is read before it is refused: what a bomb meets instead of the disk."""

from __future__ import annotations

from ..values import Value

MIB, GIB = 1 << 20, 1 << 30

HEADER = MIB  # one PAX or GNU long-name header, one sparse map
LAYERS = 500
DEPTH = 256
PATH = 4095
NAME = 255
IDENTIFIER = (1 << 31) - 1
FILE = 1 << 44  # 16 TiB: the apparent size of one file, holes included


class Limits(Value):
    """`unpacked` counts the bytes of a tar after decompression, `entries` its members, `ratio` what compression may hide."""

    unpacked: int = 64 * GIB
    entries: int = 2_000_000
    ratio: int = 1000


# For what was taken into the store already, under the limits of then.
UNBOUNDED = Limits(unpacked=1 << 60, entries=1 << 40, ratio=1 << 40)
