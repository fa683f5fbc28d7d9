# SPDX-License-Identifier: GPL-3.0-or-later
"""The namespaces of a container: config.json's "linux.namespaces", and the birth of a process in just these."""

from __future__ import annotations

import fcntl
import os

from ..errors import EngineError, InvalidSpec, KernelError, from_os
from ..kernel import process
from . import groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FLAGS = {
    "pid": process.NEWPID, "network": process.NEWNET, "mount": process.NEWNS, "ipc": process.NEWIPC, "uts": process.NEWUTS,
    "user": process.NEWUSER, "cgroup": process.NEWCGROUP, "time": process.NEWTIME,
}  # fmt: skip
_FILES = {"network": "net", "mount": "mnt"}
# These the new process enters itself, once it is where it will stay.
_LATE = ("mount", "cgroup")
_CLOCKS = ("monotonic", "boottime")
# ioctl_nsfs(2).
_NS_GET_NSTYPE = 0xB703


class Spaces:
    """`new` kinds are to be made, `joined` ones are there already and held by descriptor; any other is the caller's own."""

    __slots__ = ("joined", "new", "offsets")

    def __init__(self, new: frozenset[str], joined: dict[str, int], offsets: str) -> None:
        self.new, self.joined, self.offsets = new, joined, offsets

    def has_own(self, kind: str) -> bool:
        """Whether the container's namespace of this kind is made for it."""
        return kind in self.new

    @property
    def kinds(self) -> frozenset[str]:
        """Those that are not the host's."""
        return self.new | frozenset(self.joined)

    def close(self) -> None:
        """Give the descriptors back. Idempotent."""
        for fd in self.joined.values():
            os.close(fd)
        self.joined = {}

    def enter_late(self, kind: str) -> None:
        """In the new process: go to its "cgroup" or "mount" namespace, if it has one of its own or is to share one."""
        if kind in self.joined:
            process.setns(self.joined[kind], _FLAGS[kind])
        elif kind in self.new and kind == "cgroup":
            process.unshare(process.NEWCGROUP)


def open_spaces(linux: dict[str, Any], paths: dict[str, str] | None = None) -> Spaces:
    """From config.json's "linux"; `paths` are more namespaces to join. The caller closes it.

    InvalidSpec for a kind that is none, is given twice or lies at a path that is no namespace of that kind.
    """
    wanted: dict[str, str] = {}
    for entry in linux.get("namespaces") or ():
        kind = str(entry.get("type"))
        if kind not in _FLAGS:
            raise InvalidSpec(f"linux.namespaces: {kind!a} is no namespace: write one of {', '.join(sorted(_FLAGS))}")
        if kind in wanted:
            raise InvalidSpec(f"linux.namespaces: {kind} is given twice")
        wanted[kind] = str(entry.get("path") or "")
    wanted.update(paths or {})
    offsets = _offsets(linux.get("timeOffsets") or {})
    if offsets and wanted.get("time", "x"):
        raise InvalidSpec(
            "linux.timeOffsets: there is no new time namespace to set them in: add one to linux.namespaces"
        )
    spaces = Spaces(frozenset(kind for kind, path in wanted.items() if not path), {}, offsets)
    try:
        for kind, path in wanted.items():
            if path:
                _open(spaces, kind, path)
    except BaseException:
        spaces.close()
        raise
    return spaces


def _open(spaces: Spaces, kind: str, path: str) -> None:
    what = f"linux.namespaces: {kind} at {path}"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise from_os(error, what) from error
    try:
        found = fcntl.ioctl(fd, _NS_GET_NSTYPE)
    except OSError:
        found = 0
    if found != _FLAGS[kind]:
        os.close(fd)
        raise InvalidSpec(f"{what} is no {kind} namespace")
    if os.fstat(fd).st_ino == os.stat(f"/proc/self/ns/{_FILES.get(kind, kind)}").st_ino:
        os.close(fd)  # one's own is joined by doing nothing, and a user namespace can't be joined twice
        return
    spaces.joined[kind] = fd


def _offsets(entries: dict[str, Any]) -> str:
    """config.json's "timeOffsets" as time_namespaces(7) takes them."""
    lines = []
    for clock, entry in entries.items():
        seconds, nanoseconds = entry.get("secs") or 0, entry.get("nanosecs") or 0
        if clock not in _CLOCKS or not isinstance(seconds, int) or not isinstance(nanoseconds, int):
            raise InvalidSpec(f"linux.timeOffsets: {clock!a}: write secs and nanosecs of monotonic or boottime")
        if seconds or nanoseconds:
            lines.append(f"{clock} {seconds} {nanoseconds}\n")
    return "".join(lines)


def birth(spaces: Spaces, unified: str) -> int:
    """A child in these namespaces but for those it enters late, born in the cgroup `unified` ("" for none).

    0 in the child, its pid in the parent, whose own namespaces are what they were. A new user namespace has no map yet; in
    one that was joined the child has all rights and its ids are still the host's.
    """
    flags = sum(_FLAGS[kind] for kind in spaces.new if kind not in ("cgroup", "time"))
    if any(kind not in _LATE for kind in spaces.joined):
        return _by_midwife(spaces, unified, flags)
    home = _make_time(spaces)
    try:
        pid = groups.fork(unified, flags)
    except BaseException:
        _go_home(home)
        raise
    if pid:
        _go_home(home)
    return pid


def _make_time(spaces: Spaces) -> int:
    """Children will have a new time namespace; a descriptor of one's own, or -1."""
    if "time" not in spaces.new:
        return -1
    home = os.open("/proc/self/ns/time", os.O_RDONLY | os.O_CLOEXEC)
    try:
        process.unshare(process.NEWTIME)
        if spaces.offsets:
            with open("/proc/self/timens_offsets", "w", encoding="ascii") as file:
                file.write(spaces.offsets)
    except (OSError, KernelError) as error:
        raise EngineError(f"linux.timeOffsets: a time namespace with {spaces.offsets!a}: {error}") from error
    return home


def _go_home(home: int) -> None:
    if home >= 0:
        process.setns(home, process.NEWTIME)
        os.close(home)


def _by_midwife(spaces: Spaces, unified: str, flags: int) -> int:
    """There is no way back from a user namespace, so a process that goes there makes the child, as its own sibling."""
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    midwife = os.fork()
    if midwife:
        os.close(theirs)
        return _meet(midwife, ours)
    try:
        os.close(ours)
        _make_time(spaces)
        # The user namespace last: its root has no rights over the others that are the host's.
        for kind in ("network", "ipc", "uts", "time", "pid", "user"):
            if kind in spaces.joined:
                process.setns(spaces.joined[kind], _FLAGS[kind])
        group = os.open(unified, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if unified else -1
        pid = process.clone(flags, group, sibling=True)
    except BaseException as error:
        os.write(theirs, f"0 {error}".encode()[:4000])
        os._exit(1)
    if pid:
        os.write(theirs, f"{pid} ".encode())
        os._exit(0)
    os.close(theirs)
    if group >= 0:
        os.close(group)
    return 0


def _meet(midwife: int, pipe: int) -> int:
    try:
        said = b""
        while True:
            data = os.read(pipe, 4096)
            if not data:
                break
            said += data
    finally:
        os.close(pipe)
        os.waitpid(midwife, 0)
    pid, _unused, reason = said.decode("utf-8", "replace").partition(" ")
    if not pid.isdigit() or int(pid) == 0:
        raise EngineError(f"linux.namespaces can't be joined: {reason or 'the process that tried was killed'}")
    return int(pid)
