# SPDX-License-Identifier: GPL-3.0-or-later
"""bpf(2), as far as a cgroup's device filter needs it: load a program, put it on a group in the place of the one before."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from ..errors import KernelError
from .libc import syscall

_PROG_LOAD, _PROG_ATTACH, _PROG_GET_FD_BY_ID, _PROG_QUERY = 5, 8, 13, 16
_TYPE_CGROUP_DEVICE, _ATTACH_CGROUP_DEVICE = 15, 6
_ALLOW_MULTI, _REPLACE = 2, 4
_MOST = 64
_LICENSE = ctypes.create_string_buffer(b"GPL")


def load_device_program(code: bytes) -> int:
    """Load a program of type BPF_PROG_TYPE_CGROUP_DEVICE; the descriptor is the caller's to close. The kernel checks it first."""
    instructions = ctypes.create_string_buffer(code, len(code))
    attributes = struct.pack(
        # prog_type insn_cnt insns license log_level log_size log_buf kern_version prog_flags prog_name ifindex expected_attach_type
        "=IIQQIIQII16sII",
        _TYPE_CGROUP_DEVICE, len(code) // 8, ctypes.addressof(instructions), ctypes.addressof(_LICENSE), 0, 0, 0, 0, 0,
        b"berth_devices", 0, _ATTACH_CGROUP_DEVICE,
    )  # fmt: skip
    return _bpf(_PROG_LOAD, attributes)[0]


def attach_device_program(group: int, program: int) -> None:
    """Attach it to the cgroup v2 directory `group`, in one step in the place of the one that is there (Linux 5.6).

    Groups below may add their own: a device must pass them all.
    """
    there = device_programs(group)
    old = _open_program(there[-1]) if there else -1
    try:
        flags = _ALLOW_MULTI | (_REPLACE if there else 0)
        _bpf(_PROG_ATTACH, struct.pack("=IIIII", group, program, _ATTACH_CGROUP_DEVICE, flags, max(old, 0)))
    finally:
        if old >= 0:
            os.close(old)


def device_programs(group: int) -> tuple[int, ...]:
    """The ids of the device programs on a cgroup v2 directory itself."""
    ids = (ctypes.c_uint32 * _MOST)()
    # target_fd attach_type query_flags attach_flags prog_ids prog_cnt
    attributes = struct.pack("=IIIIQI", group, _ATTACH_CGROUP_DEVICE, 0, 0, ctypes.addressof(ids), _MOST)
    _result, answer = _bpf(_PROG_QUERY, attributes)
    return tuple(ids[: struct.unpack_from("=I", answer, 24)[0]])


def _open_program(ident: int) -> int:
    return _bpf(_PROG_GET_FD_BY_ID, struct.pack("=III", ident, 0, 0))[0]


def _bpf(command: int, attributes: bytes) -> tuple[int, bytes]:
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    while True:
        try:
            return syscall("bpf", command, ctypes.addressof(buffer), 128), buffer.raw
        except KernelError as error:
            # The verifier gives up with EAGAIN when a signal is pending.
            if error.errno != errno.EAGAIN:
                raise
