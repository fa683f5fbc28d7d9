# SPDX-License-Identifier: GPL-3.0-or-later
"""A program for the inside of a container. Each function is one attack, harmless where it works; it ends by an OSError where it is
held off. Run with names, it prints how each of them ended, "done" or the error's name, as JSON."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import glob
import json
import os
import shutil
import socket
import sys
import tempfile
import termios
from collections.abc import Callable

_libc = ctypes.CDLL(None, use_errno=True)
_NEWUSER = 0x10000000
_DETACH, _REMOUNT, _BIND = 2, 32, 4096
_TIOCSTI = 0x5412
_X86 = os.uname().machine == "x86_64"
_ADD_KEY, _KEYCTL = (248, 250) if _X86 else (217, 219)


def _check(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer


def _open_to_write(*paths: str) -> None:
    """Any one of them; nothing is written. What is not there is passed over."""
    refusal = FileNotFoundError(errno.ENOENT, "none of them is there")
    for path in paths:
        try:
            os.close(os.open(path, os.O_WRONLY))
        except FileNotFoundError:
            continue
        except OSError as error:
            refusal = error  # type: ignore[assignment]
        else:
            return
    raise refusal


def _mount(source: str, target: str, fstype: str, flags: int = 0, data: str = "") -> None:
    _check(_libc.mount(source.encode(), target.encode(), fstype.encode(), flags, data.encode()))


def _groups() -> list[str]:
    """The directories of every hierarchy that is in sight, from the highest on."""
    return [name for name in ("/sys/fs/cgroup", *glob.glob("/sys/fs/cgroup/*")) if os.path.isdir(name)]


def put_words_into_a_terminal() -> None:
    _master, slave = os.openpty()
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    fcntl.ioctl(slave, _TIOCSTI, b"x")


def make_a_user_namespace() -> None:
    _check(_libc.unshare(_NEWUSER))


def uncover_a_masked_file() -> None:
    _check(_libc.umount2(b"/proc/interrupts", _DETACH))


def make_proc_sys_writable() -> None:
    _mount("none", "/proc/sys", "none", _REMOUNT | _BIND)


def make_sys_writable() -> None:
    _mount("none", "/sys", "none", _REMOUNT | _BIND)


def mount_another_procfs() -> str:
    place = tempfile.mkdtemp()
    _mount("proc", place, "proc")
    return place


def _trees() -> list[str]:
    """/proc, and one without anything over it if that can be had."""
    with contextlib.suppress(OSError):
        return ["/proc", mount_another_procfs()]
    return ["/proc"]


def name_a_core_handler() -> None:
    """The kernel runs it as root of the host."""
    _open_to_write(*(f"{top}/sys/kernel/core_pattern" for top in _trees()))


def change_the_hosts_kernel() -> None:
    names = ("sysrq-trigger", "sys/vm/overcommit_memory", "sys/kernel/modprobe", "sys/fs/binfmt_misc/register")
    _open_to_write(*(f"{top}/{name}" for top in _trees() for name in names), "/sys/kernel/uevent_helper")


def read_the_kernels_log() -> None:
    _check(_libc.klogctl(10, None, 0))


def make_a_control_group() -> None:
    refusal = FileNotFoundError(errno.ENOENT, "no hierarchy")
    for above in _groups():
        try:
            os.mkdir(f"{above}/escape")
        except OSError as error:
            refusal = error  # type: ignore[assignment]
            continue
        os.rmdir(f"{above}/escape")
        return
    raise refusal


def move_to_another_control_group() -> None:
    _open_to_write(*(f"{name}/{file}" for name in _groups() for file in ("cgroup.procs", "tasks")))


def mount_the_control_groups() -> None:
    place = tempfile.mkdtemp()
    _mount("none", place, "cgroup2")
    os.mkdir(f"{place}/escape")
    os.rmdir(f"{place}/escape")


def name_a_release_agent() -> None:
    """CVE-2022-0492: the kernel runs it as root of the host when a group of version 1 is empty."""
    with open("/proc/cgroups") as file:
        names = [line.split()[0] for line in file if not line.startswith("#")]
    places = _groups()
    for name in (*names, "none,name=systemd"):
        with contextlib.suppress(OSError):
            place = tempfile.mkdtemp()
            _mount("none", place, "cgroup", 0, name)
            places.append(place)
    _open_to_write(*(f"{place}/release_agent" for place in places))


class _Handle(ctypes.Structure):
    _fields_ = (("size", ctypes.c_uint), ("kind", ctypes.c_int), ("bytes", ctypes.c_ubyte * 128))


def open_a_file_by_its_handle() -> None:
    """CVE-2014-3519: any file of a file system by its number, whatever part of it is mounted here."""
    handle, place = _Handle(128), ctypes.c_int()
    _check(_libc.name_to_handle_at(-100, __file__.encode(), ctypes.byref(handle), ctypes.byref(place), 0))
    here = os.open(__file__, os.O_RDONLY)
    _check(_libc.open_by_handle_at(here, ctypes.byref(handle), os.O_RDONLY))


def keep_a_key() -> None:
    """Keys have no namespace."""
    _check(_libc.syscall(ctypes.c_long(_ADD_KEY), b"user", b"from inside", b"x", ctypes.c_long(1), ctypes.c_long(-2)))


def read_a_keyring() -> None:
    _check(_libc.syscall(ctypes.c_long(_KEYCTL), ctypes.c_long(0), ctypes.c_long(-4), ctypes.c_long(0)))


def reach_an_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.connect("\0" + os.environ["ABSTRACT"])


def listen_to_the_wire() -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()


def send_raw_packets() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


def gain_by_file_capabilities() -> None:
    path = _a_program("by-capabilities")
    # struct vfs_cap_data (linux/capability.h): revision 2, effective; CAP_SETUID is permitted.
    os.setxattr(path, "security.capability", (0x02000001).to_bytes(4, "little") + b"\x80" + bytes(15))
    _gain(path)


def gain_by_a_set_id_bit() -> None:
    path = _a_program("by-set-id")
    os.chmod(path, 0o4755)
    _gain(path)


def _a_program(name: str) -> str:
    return shutil.copy("/usr/bin/cat", f"/tmp/{name}")


def _gain(path: str) -> None:
    """Whether an ordinary user who executes it has a capability then."""
    source, sink = os.pipe()
    if os.fork() == 0:
        os.setgroups(())
        os.setresgid(1000, 1000, 1000)
        os.setresuid(1000, 1000, 1000)
        os.dup2(sink, 1)
        os.execv(path, [path, "/proc/self/status"])
    os.close(sink)
    with open(source) as file:
        found = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    if not int(found["CapEff"], 16):
        raise PermissionError(errno.EPERM, "nothing was gained")


def signal_the_supervisor() -> None:
    os.kill(int(os.environ["SUPERVISOR"]), 0)


def look_into_the_supervisor() -> None:
    pid = int(os.environ["SUPERVISOR"])
    refusal: OSError | None = None
    attempts: tuple[Callable[[], object], ...] = (
        lambda: os.readlink(f"/proc/{pid}/root"),
        lambda: os.readlink(f"/proc/{pid}/exe"),
        lambda: os.readlink(f"/proc/{pid}/fd/0"),
        lambda: os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY)),
        lambda: _check(_libc.ptrace(0x4206, pid, None, None)),
    )
    for attempt in attempts:
        try:
            attempt()
        except OSError as error:
            refusal = error
        else:
            return
    raise refusal or PermissionError(errno.EPERM, "")


def _outcome(attack: Callable[[], object]) -> str:
    """In a process of its own, which takes what it did with it."""
    source, sink = os.pipe()
    pid = os.fork()
    if pid == 0:
        word = "done"
        try:
            attack()
        except OSError as error:
            word = errno.errorcode.get(error.errno or 0, repr(error))
        except BaseException as error:
            word = repr(error)
        os.write(sink, word.encode())
        os._exit(0)
    os.close(sink)
    with open(source) as file:
        word = file.read()
    os.waitpid(pid, 0)
    return word


if __name__ == "__main__":
    print(json.dumps({name: _outcome(globals()[name]) for name in sys.argv[1:]}))
