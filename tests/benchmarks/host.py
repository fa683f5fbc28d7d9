# SPDX-License-Identifier: GPL-3.0-or-later
"""A host to throw away: mount, network and pid namespaces in which the engines run, so that the real host's containers,
bridges, firewall rules and /run are neither met nor changed, and nothing outlives the benchmark."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .command import run

ADDRESS = "198.18.0.1"  # RFC 2544 keeps 198.18.0.0/15 for benchmarks
NEIGHBOUR = "198.18.0.2"
PREFIX = "berthbench-"
OUTSIDE = ("ip", "netns", "exec", "outside")


def enter(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a program as pid 1 of a new host; killing what this returns, or the
    caller's own death, kills every process there."""
    spaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
    # In a session of its own: Ctrl-C is for the one who waits, and who then kills all there.
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", *spaces, *argv], start_new_session=True)


@contextlib.contextmanager
def place(parent: Path) -> Iterator[Path]:
    """A directory for one run, marked as in use for as long."""
    path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    with _lock(path):
        yield path


def abandoned(parent: Path) -> Iterator[Path]:
    """The directories of runs that were killed outright."""
    for path in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(BlockingIOError), _lock(path):
            yield path


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def be_init() -> None:
    """Return in a child; pid 1 stays behind and reaps: an engine that waits for its monitor to be gone must not find a zombie."""
    child = os.fork()
    if child == 0:
        return
    status = 0
    while True:
        pid, ended = os.wait()
        if pid == child:
            status = os.waitstatus_to_exitcode(ended)
            break
    # No exit handlers of Python here: they are the child's.
    os._exit(status if status >= 0 else 128 - status)


def furnish() -> None:
    """A /run of its own, forwarding, and a neighbour over a wire who reaches published ports from outside."""
    run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])
    # Before dockerd comes: it sets the policy of FORWARD to drop, which hits the others too, if it was it that switched forwarding on.
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    for words in (
        "link set lo up",
        "netns add outside",
        "link add uplink type veth peer name uplink netns outside",
        f"addr add {ADDRESS}/24 dev uplink",
        "link set uplink up",
        f"route add default via {NEIGHBOUR}",
        "-n outside link set lo up",
        f"-n outside addr add {NEIGHBOUR}/24 dev uplink",
        "-n outside link set uplink up",
    ):
        run(["ip", *words.split()])


def demolish(path: Path, cgroups: Sequence[str], patience: float = 10) -> None:
    """Remove the directory and the named cgroups once the processes there are gone, which takes a moment."""
    end = time.monotonic() + patience
    while _leftovers(path, cgroups):
        if time.monotonic() > end:
            raise TimeoutError(f"still there: {' '.join(map(str, _leftovers(path, cgroups)))}")
        shutil.rmtree(path, ignore_errors=True)
        for name in cgroups:
            for hierarchy in _hierarchies():
                _remove_cgroup(hierarchy / name.lstrip("/"))
        time.sleep(0.05)


def _leftovers(top: Path, cgroups: Sequence[str]) -> list[Path]:
    paths = [top, *(hierarchy / name.lstrip("/") for hierarchy in _hierarchies() for name in cgroups)]
    return [path for path in paths if path.exists()]


def _hierarchies() -> list[Path]:
    top = Path("/sys/fs/cgroup")
    if (top / "cgroup.procs").exists():
        return [top]
    return [path for path in top.iterdir() if path.is_dir() and not path.is_symlink()]


def _remove_cgroup(path: Path) -> None:
    for directory, _directories, _files in os.walk(path, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(directory)
