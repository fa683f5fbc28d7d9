# SPDX-License-Identifier: GPL-3.0-or-later
"""A config.json executed by the runtime's own functions and nothing around them: no record, no network, no supervisor."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import mounts, process
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime import (
    devices,
    ids,
    limits,
    link,
    mounting,
    mountoptions,
    parts,
    root,
    spaces,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.become import become
from ansible_collections.berth.containers.tests.kernel.house import Done, in_child, read_to_end

START = 700_000_000
USER = {
    "uidMappings": [{"containerID": 0, "hostID": START, "size": 65536}],
    "gidMappings": [{"containerID": 0, "hostID": START, "size": 65536}],
}
PROC = {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]}
DEV = {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=1m"]}
KINDS = ("pid", "mount", "ipc", "uts", "network", "cgroup")


def tmpfs(target: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": "tmpfs", "source": "tmpfs", "options": list(options)}


def bind(source: object, target: str, *options: str, **more: Any) -> dict[str, Any]:
    return {"destination": target, "type": "none", "source": str(source), "options": ["bind", *options], **more}


class Cell:
    """One root directory; every run is in new namespaces, with `user` in a user namespace as well."""

    def __init__(self, top: str, scratch: str) -> None:
        self.top, self.scratch = top, scratch

    def run(
        self,
        script: str | list[str],
        *entries: dict[str, Any],
        user: bool = False,
        linux: dict[str, Any] | None = None,
        kinds: tuple[str, ...] = KINDS,
        readonly: bool = False,
        mounts_before: tuple[dict[str, Any], ...] = (PROC, DEV),
        before: Callable[[], object] | None = None,
        outside: Callable[[int], object] | None = None,
        how: dict[str, Any] | None = None,
        identity: dict[str, Any] | None = None,
        **words: Any,
    ) -> Done:
        """Run a script, or a command, with these mounts; `words` go into "process", `how` to become().

        `before` is called where the caller is, `outside(pid)` on the host's side once the root is complete.
        """
        args = ["sh", "-c", script] if isinstance(script, str) else script
        oci = {
            "root": {"readonly": readonly},
            "mounts": [*mounts_before, *entries],
            "process": {
                "args": args,
                "env": ["PATH=/bin:/usr/bin:/sbin:/usr/sbin"],
                "cwd": "/",
                "user": identity or {},
                **words,
            },
            "linux": {
                "namespaces": [{"type": kind} for kind in (*kinds, *(("user",) if user else ()))],
                **(USER if user else {}),
                **(linux or {}),
            },
        }
        return in_child(lambda: self._work(oci, before, outside, how or {}))

    def _work(self, oci: dict[str, Any], before: Any, outside: Any, how: dict[str, Any]) -> Done:
        if before:
            before()
        linux = oci["linux"]
        listed = mountoptions.read(oci["mounts"])
        shared = parts.open_shared(listed)
        limits.forget_scheduling()
        process.unshare(process.NEWNS)
        mounts.set_propagation("/", mounts.MS_SLAVE | mounts.MS_REC)
        ours, theirs = link.pair()
        source, sink = os.pipe2(os.O_CLOEXEC)
        places = spaces.open_spaces(linux)
        pid = spaces.birth(places, "")
        if pid == 0:
            try:
                self._inside(oci, places, listed, theirs, sink, how)
            except BaseException as error:
                link.send_error(theirs, error)
            finally:
                os._exit(1)
        theirs.close()
        os.close(sink)
        try:
            self._equip(oci, places, listed, shared, pid, ours)
            link.receive(ours, "ready")
            if outside:
                outside(pid)
            link.send(ours, "go")
            if ours.recv(1, 0x2):
                link.receive(ours, "nothing")
            out = read_to_end(source, 20)
        except BaseException:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            raise
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return Done(code, out.decode(), "")

    def _equip(self, oci: Any, places: Any, listed: Any, shared: Any, pid: int, ours: Any) -> None:
        linux, userns, mapping = oci["linux"], -1, ids.IdMap()
        if "user" in places.kinds:
            if places.has_own("user"):
                mapping = ids.read(linux["uidMappings"], linux["gidMappings"])
                mapping.write(pid)
            else:
                mapping = ids.of_process(pid)
            userns = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        limits.give(pid, oci["process"], strict=True)
        top = parts.open_root(self.top, mountoptions.propagation_of(linux.get("rootfsPropagation") or ""))
        nodes = devices.read(linux.get("devices") or ())
        given, loose = parts.open_all(
            listed, nodes, mapping, userns, scratch=self.scratch, map_binds=False, shared=shared
        )
        parts.send(ours, top, given, loose)

    def _inside(self, oci: Any, places: Any, listed: Any, door: Any, sink: int, how: dict[str, Any]) -> None:
        linux = oci["linux"]
        place = os.open(self.scratch, os.O_PATH | os.O_CLOEXEC)
        top, given, loose = parts.receive(door)
        if "user" in places.kinds:
            os.setresgid(0, 0, 0)
            os.setgroups(())
            os.setresuid(0, 0, 0)
        mounts.set_propagation("/", mounts.MS_SLAVE | mounts.MS_REC)
        mounts.move(top, place)
        os.close(place)
        places.enter_late("cgroup")
        there = root.Root(top)
        mounting.build(there, linux, listed, given, loose, places)
        propagation = mountoptions.propagation_of(linux.get("rootfsPropagation") or "")
        root.enter(there, read_only=oci["root"]["readonly"], propagation=propagation)
        link.send(door, "ready")
        link.receive(door, "go")
        os.setsid()
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        become(oci["process"], personality=linux.get("personality"), **how)
