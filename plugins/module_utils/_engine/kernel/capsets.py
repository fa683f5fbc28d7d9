# SPDX-License-Identifier: GPL-3.0-or-later
"""A process's five sets of capabilities, as masks (capabilities(7))."""

from __future__ import annotations

import ctypes

from .libc import check, libc

_PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT = 23, 24, 47
_AMBIENT_RAISE, _AMBIENT_CLEAR_ALL = 2, 4
_VERSION_3 = 0x20080522


def permitted() -> int:
    """capget(2): the mask of what this process may raise."""
    header, data = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    check(libc.capget(header, data), "capget")
    return int(data[1]) | int(data[4]) << 32


def bounding() -> int:
    """The bounding set; the kernel's own list ends with EINVAL."""
    bits = 0
    for number in range(64):
        found = libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0)
        if found < 0:
            break
        bits |= found << number
    return bits


def limit_bounding(wanted: int) -> None:
    """Drop every capability outside `wanted` from the bounding set."""
    for number in range(64):
        if wanted >> number & 1:
            continue
        if libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) < 0:
            return
        check(libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0), "prctl", "PR_CAPBSET_DROP")


def set_all(held: int, *, effective: int, inheritable: int = 0, ambient: int = 0) -> None:
    """capset(2) with `held` as the permitted set, and exactly these ambient ones (CVE-2022-24769: none by accident)."""
    libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    low, high = 0xFFFFFFFF, 32
    data = (ctypes.c_uint32 * 6)(
        effective & low, held & low, inheritable & low, effective >> high, held >> high, inheritable >> high
    )
    check(libc.capset(header, data), "capset")
    for number in range(ambient.bit_length()):
        if ambient >> number & 1:
            check(libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, ctypes.c_ulong(number), 0, 0), "prctl", "PR_CAP_AMBIENT")
