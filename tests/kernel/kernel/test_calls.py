# SPDX-License-Identifier: GPL-3.0-or-later
"""The thin calls do what their manual pages say, and fail with their own names."""

from __future__ import annotations

import errno
import os
import pathlib
import signal
import stat
import time

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import KernelError
from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import (
    capsets,
    files,
    mounts,
    proc,
    process,
)
from ansible_collections.berth.containers.tests.kernel.house import in_child


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "root/dir").mkdir(parents=True)
    (tmp_path / "outside").write_text("outside")
    (tmp_path / "root/dir/file").write_text("inside")
    (tmp_path / "root/up").symlink_to("../outside")
    (tmp_path / "root/absolute").symlink_to("/dir/file")
    (tmp_path / "root/link").symlink_to("dir")
    return tmp_path / "root"


def reads(root: pathlib.Path, path: str, resolve: int) -> str:
    top = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        fd = files.openat2(top, path, os.O_RDONLY, resolve=resolve)
        assert not os.get_inheritable(fd)
        with open(fd) as file:
            return file.read()
    finally:
        os.close(top)


def test_a_root_is_a_root(tree: pathlib.Path) -> None:
    for path in ("dir/file", "/dir/file", "link/file", "absolute", "../../dir/file"):
        assert reads(tree, path, files.IN_ROOT) == "inside"
    with pytest.raises(KernelError, match=r"openat2 up: No such file"):
        reads(tree, "up", files.IN_ROOT)
    with pytest.raises(KernelError) as caught:
        reads(tree, "link/file", files.IN_ROOT | files.NO_SYMLINKS)
    assert caught.value.errno == errno.ELOOP
    for path in ("up", "absolute", "../outside"):
        with pytest.raises(KernelError):
            reads(tree, path, files.BENEATH)


@pytest.mark.parametrize("by_steps", [False, True])
def test_beneath_goes_through_directories_only(
    tree: pathlib.Path, by_steps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_steps:

        def missing(*_: object, **__: object) -> int:
            raise KernelError("openat2", "", errno.ENOSYS)

        monkeypatch.setattr(files, "openat2", missing)
    top = os.open(tree, os.O_PATH | os.O_DIRECTORY)
    try:
        with open(files.open_beneath(top, b"dir/file", os.O_RDONLY)) as file:
            assert file.read() == "inside"
        os.close(files.open_beneath(top, b"", os.O_PATH))
        for path in (b"link/file", b"absolute", b"up"):
            with pytest.raises(KernelError):
                files.open_beneath(top, path, os.O_RDONLY)
    finally:
        os.close(top)


def test_a_clone_is_the_first_of_its_namespaces() -> None:
    def work() -> tuple[int, bytes]:
        source, sink = os.pipe()
        pid = process.clone(process.NEWPID | process.NEWUTS | process.NEWIPC)
        if pid == 0:
            process.sethostname("cloned")
            os.write(sink, f"{os.getpid()} {os.uname().nodename}".encode())
            os._exit(7)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.read(source, 100)

    before = os.uname().nodename
    assert in_child(work) == (7, b"1 cloned")
    assert os.uname().nodename == before


def test_a_call_that_fails_has_its_name(tmp_path: pathlib.Path) -> None:
    with pytest.raises(KernelError, match=r"^umount2 .*: Invalid argument$"):
        mounts.unmount(str(tmp_path))
    with pytest.raises(KernelError, match=r"^mount /no/such: No such file or directory$"):
        mounts.mount("none", "/no/such", "tmpfs", 0, "")
    with pytest.raises(KernelError, match=r"^setns: "):
        process.setns(0)


def test_a_detached_mount_is_nowhere_until_it_is_moved(tmp_path: pathlib.Path) -> None:
    def work() -> tuple[int, bool, bool, int]:
        process.unshare(process.NEWNS)
        mounts.set_propagation("/", mounts.MS_PRIVATE | mounts.MS_REC)
        tree = mounts.open_filesystem(
            "tmpfs", (("size", "64k"), ("mode", "711")), mounts.ATTR_NODEV | mounts.ATTR_NOEXEC
        )
        os.close(os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=tree))
        before = len(os.listdir(tmp_path))
        place = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
        mounts.set_attributes(tree, mounts.ATTR_RDONLY)
        mounts.move(tree, place)
        flags = os.statvfs(tmp_path).f_flag
        return before, bool(flags & os.ST_NODEV), bool(flags & os.ST_RDONLY), stat.S_IMODE(os.stat(tmp_path).st_mode)

    assert in_child(work) == (0, True, True, 0o711)
    assert os.listdir(tmp_path) == []


def test_the_kernel_explains_a_bad_option() -> None:
    with pytest.raises(KernelError, match=r"tmpfs.*size"):
        mounts.open_filesystem("tmpfs", (("size", "nonsense"),))
    with pytest.raises(KernelError, match="nosuchfs"):
        mounts.open_filesystem("nosuchfs", ())


def test_a_pid_is_believed_only_with_its_start_time() -> None:
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    started = proc.start_time(pid)
    assert started
    assert proc.is_alive(pid, started)
    assert not proc.is_alive(pid, started + 1)
    assert not proc.is_alive(0, 0)
    fd = process.open_pidfd(pid)
    assert process.send_signal(fd, signal.SIGKILL)
    # Dead, though not reaped.
    end = time.monotonic() + 2
    while proc.is_alive(pid, started):
        assert time.monotonic() < end
    os.waitpid(pid, 0)
    assert not process.send_signal(fd, signal.SIGKILL)
    os.close(fd)
    assert proc.start_time(pid) == 0


def test_descriptors_are_closed_from_a_number_on() -> None:
    def work() -> list[bool]:
        fds = [os.dup(0) for _unused in range(5)]
        for fd in fds:
            os.set_inheritable(fd, True)
        process.close_from(fds[1], on_exec=True)
        return [os.get_inheritable(fd) for fd in fds]

    assert in_child(work) == [True, False, False, False, False]


def test_capabilities_are_what_was_set() -> None:
    def work() -> dict[str, int]:
        capsets.limit_bounding(0b1001)
        capsets.set_all(0b1001, effective=0b1000)
        lines = pathlib.Path("/proc/self/status").read_text().splitlines()
        return {line[:6]: int(line.split()[1], 16) for line in lines if line.startswith("Cap")}

    assert in_child(work) == {"CapInh": 0, "CapPrm": 0b1001, "CapEff": 0b1000, "CapBnd": 0b1001, "CapAmb": 0}
