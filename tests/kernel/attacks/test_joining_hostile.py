# SPDX-License-Identifier: GPL-3.0-or-later
"""Joining a container whose root has laid traps for whoever comes in."""

from __future__ import annotations

import ctypes
import os
import struct
import time
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError
from ansible_collections.berth.containers.tests.kernel.house import House

from .conftest import PYTHON

_libc = ctypes.CDLL(None, use_errno=True)
# fanotify(7): tell of every file that is opened on one mount, with a descriptor of it.
_CLASS, _ADD_THE_MOUNT, _OPENED, _HERE = 0x1 | 0x2, 0x1 | 0x10, 0x20 | 0x1000, -100
_EVENT = struct.Struct("=IBBHQii")


@pytest.fixture
def box(house: House) -> Iterator[str]:
    """A container that runs."""
    yield house.up()["name"]


class Watch:
    """Every file that is opened in a container's root, by whoever is in there: also what a C library opens by itself."""

    def __init__(self, pid: int) -> None:
        self._fd = _libc.fanotify_init(_CLASS, os.O_RDONLY | os.O_CLOEXEC)
        assert self._fd >= 0
        mask = ctypes.c_uint64(_OPENED)
        assert _libc.fanotify_mark(self._fd, _ADD_THE_MOUNT, mask, _HERE, f"/proc/{pid}/root".encode()) == 0

    def seen(self) -> set[str]:
        """The paths so far, as the container has them."""
        found = set()
        while data := self._read():
            while data:
                length, _version, _unused, _head, _mask, fd, _pid = _EVENT.unpack_from(data)
                found.add(os.readlink(f"/proc/self/fd/{fd}"))
                os.close(fd)
                data = data[length:]
        return found

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        os.close(self._fd)


def test_no_library_or_locale_of_the_containers_is_loaded(house: House, box: str) -> None:
    """What a C library looks for late, for an encoding, a name or a language, would be the container's, with our rights."""
    traps = "/etc/ld.so.preload /etc/ld.so.cache /etc/nsswitch.conf /etc/localtime /etc/gai.conf"
    house.exec(
        box, f"for f in {traps}; do echo /tmp/evil.so > $f; done; mkdir -p /usr/lib/locale/C.UTF-8; : > /tmp/evil.so"
    )
    watch = Watch(house.info(box)["state"]["pid"])
    try:
        for options in (
            {},
            {"user": "nobody"},
            {"tty": True},
            {"env": {"LC_ALL": "C.UTF-8", "LD_PRELOAD": "/tmp/evil.so"}},
        ):
            assert house.exec(box, ["true"], **options).code == 0
        seen = watch.seen()
    finally:
        watch.close()
    assert "/bin/busybox" in seen
    assert seen <= {"/bin/busybox", "/etc/passwd", "/etc/group"}


@pytest.mark.parametrize("number", ["0_0", "+0", " 0", "4294967296", "\u0660", "0x0", "-0"])
def test_a_number_that_is_none_makes_nobody_root(house: House, box: str, number: str) -> None:
    """Docker 20.10 and Podman 4.3 take some of them for 0."""
    house.exec(box, "cat >> /etc/passwd; cp /etc/passwd /etc/group", f"eve:x:{number}:{number}::/:/bin/sh\n".encode())
    for user in ("eve", number, f"1000:{number}", "1000:eve"):
        with pytest.raises(EngineError, match="is not in the container"):
            house.exec(box, ["id"], user=user)


@pytest.mark.parametrize(
    "trap",
    [
        "mkfifo $f",
        "mkdir $f",
        "ln -s /dev/zero $f",
        "ln -s /proc/1/environ $f",
        "ln -s /dev/stdin $f",
        "truncate -s 1T $f",
        "yes eve:x:9:9::/:/bin/sh | head -c 3000000 > $f; echo dup:x:0:0::/:/bin/sh >> $f",
    ],
)
def test_files_of_users_that_are_none(house: House, box: str, trap: str) -> None:
    """Nothing hangs, nothing is read without end, and who is not found is not root."""
    house.exec(box, f"for f in /etc/passwd /etc/group; do rm $f; {trap}; done")
    begun = time.monotonic()
    with pytest.raises(EngineError, match="is not in the container"):
        house.exec(box, ["true"], user="dup")
    # Not asked of `id`, which reads them, too.
    assert house.exec(box, "stat -c %u:%g /proc/self/", user="1234:77").out == "1234:77\n"
    assert house.exec(box, "stat -c %u:%g /proc/self/").out == "0:0\n"
    assert time.monotonic() - begun < 5


def test_no_working_directory_leads_out(house: House, box: str) -> None:
    """CVE-2024-21626 by exec: a descriptor that the joining process has of the host's files, by number or behind a link."""
    house.exec(box, "ln -s /proc/self/fd /fds; ln -s /proc/self/cwd /here")
    for place in (
        "/proc/self/fd/3",
        "/proc/self/fd/4",
        "/proc/self/fd/5",
        "/fds/6",
        "/fds/7",
        "/fds/8",
        "/proc/self/fd",
    ):
        try:
            shown = house.exec(box, "pwd -P; ls", working_dir=place).out
        except EngineError as error:
            assert "working_dir" in str(error)
        else:
            assert shown.startswith("/proc/")
    assert house.exec(box, "pwd -P", working_dir="/here").out == "/\n"


LOOK = """
import os
seen = set()
open("/tmp/ready", "w").close()
while not os.path.exists("/tmp/enough"):
    for pid in os.listdir("/proc"):
        if pid.isdigit() and pid not in ("1", str(os.getpid())):
            try:
                seen.add(os.readlink(f"/proc/{pid}/exe"))
                with open(f"/proc/{pid}/maps") as file:
                    seen.update(line.split()[-1] for line in file)
            except OSError:
                continue
print([path for path in seen if "python" in path], len(seen) > 0)
"""


@pytest.mark.parametrize("mode", ["auto", "host"])
def test_who_joins_can_not_be_opened(house: House, python: str, mode: str) -> None:
    """Neither its program nor its memory, from the first moment on in which it is seen; the rest of it is guarded alike."""
    made = house.up([*PYTHON, "-c", LOOK], image=python, volumes=["/usr:/usr:ro"], userns_mode=mode)
    name = made["name"]
    house.exec(
        name,
        "for i in $(seq 20000); do echo user$i:x:$i:$i::/:/bin/sh; done >> /etc/passwd; until test -e /tmp/ready; do :; done",
    )
    for _unused in range(6):
        assert house.exec(name, ["true"], user="user19999").code == 0
    house.exec(name, ["touch", "/tmp/enough"])
    house.ended(name)
    assert [line["log"] for line in house.log(name)] == ["[] True\n"]
