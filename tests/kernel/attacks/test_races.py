# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that start while somebody who shares a volume with them swaps files in it for links, as fast as can be."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import signal
import time
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError
from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import files
from ansible_collections.berth.containers.tests.kernel.house import House, wait_until
from ansible_collections.berth.containers.tests.kernel.oci.conftest import MOUNTS, Runtime
from ansible_collections.berth.containers.tests.kernel.oci.test_inside import Console, read_until
from ansible_collections.berth.containers.tests.kernel.runtime.cell import PROC, Cell, bind

STARTS = 8
_EXCHANGE, _HERE, _DEATHSIG = 2, -100, 1
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def swapping(one: pathlib.Path, other: pathlib.Path) -> Iterator[None]:
    """Each of two names is now this file and now that one, and is never missing."""
    pid = os.fork()
    if pid == 0:
        _libc.prctl(_DEATHSIG, signal.SIGKILL)
        first, second = os.fsencode(one), os.fsencode(other)
        while _libc.renameat2(_HERE, first, _HERE, second, _EXCHANGE) == 0:
            continue
        os._exit(1)
    try:
        before = one.lstat().st_ino
        wait_until(lambda: one.lstat().st_ino != before)
        yield
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), "nothing was swapped"
    finally:
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


@pytest.fixture
def trap(tmp_path: pathlib.Path) -> pathlib.Path:
    """A volume, and beside it what its links lead to."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "volume").mkdir()
    return tmp_path / "volume"


@pytest.mark.parametrize("climb", ["", "/.." * 20])
def test_a_target_never_leads_out(house: House, trap: pathlib.Path, climb: str) -> None:
    """CVE-2021-30465: the mount point would be made on the host, and mounted on there."""
    outside, given = trap.parent / "outside", trap.parent / "given"
    given.mkdir()
    (given / "word").write_text("given")
    (trap / "a").mkdir()
    (trap / "b").symlink_to(f"{climb}{outside}")
    good = 0
    with swapping(trap / "a", trap / "b"):
        for number in range(STARTS):
            wanted = {"userns_mode": "host", "volumes": [f"{trap}:/data", f"{given}:/data/a/in{number}"]}
            with contextlib.suppress(EngineError):
                good += house.run("mount | grep -c ' on /data'", **wanted).out == "2\n"
            assert os.listdir(outside) == []
    inside = [path for path in (trap / "a", trap / "b") if path.is_dir() and not path.is_symlink()]
    assert sum(len(os.listdir(path)) for path in inside) >= good
    assert all("word" not in os.listdir(path / name) for path in inside for name in os.listdir(path))


def test_renames_elsewhere_are_no_error(tmp_path: pathlib.Path) -> None:
    """A kernel that can't tell at once whether ".." leads out wants to be asked again (openat2(2), EAGAIN)."""
    (tmp_path / "root/deep").mkdir(parents=True)
    (tmp_path / "root/climb").symlink_to("/.." * 8 + "/deep")
    (tmp_path / "one").touch()
    (tmp_path / "other").touch()
    top = os.open(tmp_path / "root", os.O_PATH | os.O_DIRECTORY)
    with swapping(tmp_path / "one", tmp_path / "other"):
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            os.close(files.openat2(top, "climb", os.O_PATH, resolve=files.IN_ROOT))
    os.close(top)


def test_what_masks_is_the_null_device_or_nothing_starts(cell: Cell, trap: pathlib.Path) -> None:
    """CVE-2025-31133: the null device is checked and then something else is mounted over /proc/keys."""
    os.mknod(trap / "null", 0o020666, os.makedev(1, 3))
    (trap / "other").write_text("#")
    with swapping(trap / "null", trap / "other"):
        for _unused in range(STARTS):
            with contextlib.suppress(EngineError):
                done = cell.run(
                    "stat -c %t:%T /proc/keys",
                    mounts_before=(PROC, bind(trap, "/dev")),
                    linux={"maskedPaths": ["/proc/keys"]},
                )
                assert done.out == "1:3\n"


def test_a_link_at_the_console_is_not_followed(oci: Runtime, trap: pathlib.Path) -> None:
    """CVE-2025-52565: the terminal would cover a file of the link's choice, one that was to be masked for instance."""
    script = "test -f /etc/victim && echo as it was; echo the end"
    entries = [MOUNTS[0], {"destination": "/dev", "type": "none", "source": str(trap), "options": ["bind"]}, MOUNTS[2]]
    bundle = oci.bundle("sh", "-c", script, process_terminal=True, mounts=entries, linux_maskedPaths=[])
    (bundle / "rootfs/etc/victim").write_text("")
    (trap / "pts").mkdir()
    (trap / "console").write_text("")
    (trap / "other").symlink_to("../etc/victim")
    for number in range(STARTS):
        with swapping(trap / "console", trap / "other"):
            place = trap.parent / f"console{number}"
            place.mkdir()
            console = Console(place)
            done = oci("create", "-b", str(bundle), "--console-socket", console.path, f"c{number}")
        if done.returncode:
            assert "/dev/console" in done.stderr
            continue
        master = console.take()
        oci.ok("start", f"c{number}")
        assert b"as it was" in read_until(master, b"the end")
        os.close(master)


def test_parts_of_the_root_are_no_links(hostile: pathlib.Path, house: House, trap: pathlib.Path) -> None:
    """What the engine itself brings goes to the image's /etc, wherever that is, and never to the host's."""
    outside = trap.parent / "outside"
    for path in (hostile / "etc").iterdir():
        path.unlink()
    (hostile / "etc").rmdir()
    (hostile / "etc").symlink_to("/.." * 20 + str(outside))
    house.ask("container_image", name="hostile", rootfs=str(hostile))
    try:
        for mode in ("auto", "host"):
            with contextlib.suppress(EngineError):
                house.run("true", image="hostile", userns_mode=mode, hostname="inner")
            assert os.listdir(outside) == []
    finally:
        house.clean()
        house.ask("container_image", name="hostile", state="absent")
