# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of mounts that makes a container's root, in the words of the OCI runtime specification (config.md, Mounts)."""

from __future__ import annotations

from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

SHM = 64 << 20


class Bind(Value):
    """A host file or directory seen in the container. Both paths are absolute. `mapped`: its ids are, whatever others' are."""

    source: str
    target: str
    read_only: bool = False
    mapped: bool = False


class Tmpfs(Value):
    """A file system in memory; `options` are tmpfs's own, such as size=64m."""

    target: str
    options: tuple[str, ...] = ()


def base(
    *, privileged: bool, own_network: bool, own_cgroup: bool = True, shm: str | int | None = SHM
) -> tuple[dict[str, Any], ...]:
    """/proc, /dev and /sys with the devices left to the runtime: it brings its own nodes on a tmpfs that it made.

    `shm` is the size of /dev/shm, the directory on the host that it is instead, or None for no such file system.
    """
    writable = () if privileged else ("ro",)
    quiet = ("nosuid", "noexec", "nodev")
    sys = (
        _entry("/sys", "sysfs", "sysfs", (*quiet, *writable))
        if own_network
        else _entry("/sys", "bind", "/sys", ("rbind", *(f"r{option}" for option in (*quiet, "ro")), "rprivate"))
    )
    mounts = [
        _entry("/proc", "proc", "proc", quiet),
        _entry("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
        _entry(
            "/dev/pts", "devpts", "devpts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")
        ),
        sys,
    ]
    if own_cgroup:
        mounts.append(_entry("/sys/fs/cgroup", "cgroup", "cgroup", (*quiet, "relatime", *writable)))
    mounts.append(_entry("/dev/mqueue", "mqueue", "mqueue", quiet))
    if isinstance(shm, int):
        mounts.append(_entry("/dev/shm", "tmpfs", "shm", (*quiet, "mode=1777", f"size={shm}")))
    elif shm:
        mounts.append(_entry("/dev/shm", "bind", shm, ("rbind", *quiet, "rw", "rprivate")))
    return tuple(mounts)


def of_users(binds: tuple[Bind, ...], tmpfs: tuple[Tmpfs, ...]) -> tuple[dict[str, Any], ...]:
    """What the spec asks for, parents before children."""
    entries = [
        _entry(bind.target, "bind", bind.source, ("rbind", "rnodev", *_wishes(bind), "rprivate")) for bind in binds
    ]
    entries += [_entry(item.target, "tmpfs", "tmpfs", ("nosuid", "nodev", *item.options)) for item in tmpfs]
    return tuple(sorted(entries, key=lambda entry: str(entry["destination"]).count("/")))


def merge(ours: Iterable[dict[str, Any]], users: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Ours but where there is one of the user's, then the user's; of two at one place the last one counts.

    A file system in memory at /dev comes where ours would, below terminals and the rest; a volume there has nothing of ours
    in it, as with Docker.
    """
    mine = {str(entry["destination"]): entry for entry in users}
    place = mine.get("/dev")
    if place is None:
        return (*(entry for entry in ours if entry["destination"] not in mine), *mine.values())
    if place["type"] == "bind":
        left = (entry for entry in ours if not f"{entry['destination']}/".startswith("/dev/"))
        return (*(entry for entry in left if entry["destination"] not in mine), *mine.values())
    del mine["/dev"]
    ours = tuple(place if entry["destination"] == "/dev" else entry for entry in ours)
    return (*(entry for entry in ours if entry["destination"] not in mine), *mine.values())


def _wishes(bind: Bind) -> tuple[str, ...]:
    return (*(("rro",) if bind.read_only else ()), *(("idmap",) if bind.mapped else ()))


def _entry(destination: str, kind: str, source: str, options: tuple[str, ...]) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}
