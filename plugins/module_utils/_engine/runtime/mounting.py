# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that config.json asks for in the root, in its order: mounts, devices, kernel parameters, hidden paths.

It runs in the container's namespaces, for a container of ours and for a foreign bundle alike; what only the host's root
can open comes along by descriptor (see parts).
"""

from __future__ import annotations

import errno
import os

from ..errors import InvalidSpec, KernelError, Unsupported
from ..kernel import mounts
from . import cgroupfs, copyup, devices, labels, sysctls
from .root import Root, hide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .mountoptions import Mount
    from .spaces import Spaces

# Where a user namespace without the matching other one may not mount anew, the host's own mount is shown.
_STAND_INS = {"sysfs": "/sys", "proc": "/proc", "mqueue": "/dev/mqueue"}
# Made by the kernel: read-only is said of the mount, as the rest of the host sees them as well.
_KERNELS = frozenset(
    ("proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2", "bpf", "tracefs", "debugfs", "securityfs")
)
_UNLABELLED = frozenset(("proc", "sysfs", "mqueue", "cgroup", "cgroup2"))


def build(
    root: Root,
    linux: dict[str, Any],
    listed: Sequence[Mount],
    given: dict[int, int],
    loose: dict[str, int],
    spaces: Spaces,
    *,
    open_again: Callable[[int, Mount, int], int] | None = None,
) -> None:
    """Furnish the root by config.json's "linux" and its mounts, `listed`. `given` and `loose` as parts.open_all made them.

    The cgroup namespace of `spaces` has been entered, after the groups. `open_again` as in parts, where it can be done.
    """
    label = str(linux.get("mountLabel") or "")
    mount_all(root, listed, given, own_cgroup="cgroup" in spaces.kinds, label=label, open_again=open_again)
    for path, fd in loose.items():
        root.attach(fd, path)
        os.close(fd)
    if loose and not any(mount.target == "/dev" for mount in listed):
        for name, target in devices.LINKS:
            root.link(f"/dev/{name}", target)
    for name, value in (linux.get("sysctl") or {}).items():
        sysctls.write(root.fd, name, value, spaces)
    hide(root, linux.get("maskedPaths") or (), linux.get("readonlyPaths") or ())


def mount_all(
    root: Root,
    listed: Sequence[Mount],
    given: dict[int, int],
    *,
    own_cgroup: bool,
    label: str = "",
    open_again: Callable[[int, Mount, int], int] | None = None,
) -> None:
    """Attach every mount in its order; closes those of `given`, which are by their place in the list."""
    late = []
    for number, mount in enumerate(listed):
        if number in given:
            if open_again and mount.bind:
                given[number] = open_again(given[number], mount, root.fd)
            else:
                given[number] = _renewed(given[number])
            root.attach(given[number], mount.target)
            if open_again and mount.options.shared:
                given[number] = _attach_again(root, given[number], mount.target)
            if mount.devices:
                late.append((given[number], mount))
                continue
            os.close(given[number])
        elif mount.options.remount:
            _remount(root, mount)
        elif mount.type in ("cgroup", "cgroup2"):
            cgroupfs.mount(root, mount, own=own_cgroup)
        else:
            _mount_new(root, mount, label)
    for fd, mount in late:
        # Only now: others had to find or make their places in it.
        if (mount.options.set | mount.options.deep_set) & mounts.ATTR_RDONLY:
            mounts.set_attributes(fd, mounts.ATTR_RDONLY)
        _propagate(fd, mount)
        os.close(fd)


def _renewed(tree: int) -> int:
    """A copy made now: in mountinfo mounts stand in the order in which they were made, and config.json's order is to be seen.

    A mount that is not attached anywhere can be copied since Linux 6.15, if it is a new file system or comes from this mount
    namespace; else it goes where it goes.
    """
    try:
        copy = mounts.open_tree("", directory=tree, recursive=True)
    except KernelError:
        return tree
    os.close(tree)
    return copy


def _attach_again(root: Root, tree: int, target: str) -> int:
    """A copy made now in the place of `tree`, for the same reason; only of what is attached there are peers to be had."""
    try:
        copy = mounts.open_tree("", directory=tree, recursive=True)
    except KernelError:
        return tree
    mounts.unmount(f"/proc/self/fd/{tree}")
    root.attach(copy, target)
    os.close(tree)
    return copy


def _mount_new(root: Root, mount: Mount, label: str) -> None:
    options = mount.options
    if options.idmap or mount.uid_mappings or mount.gid_mappings:
        raise InvalidSpec(f"mounts: {mount.target}: only a bind mount can have an idmap")
    data = _data(root, mount, label)
    if any(len(os.fsencode(value)) > mounts.LONGEST_VALUE for _name, value in data):
        return _mount_long(root, mount, data)
    attributes = options.set | options.deep_set
    copy = options.copy_up and mount.type == "tmpfs"
    tree = _open_new(mount, data, attributes & ~mounts.ATTR_RDONLY if copy else attributes)
    try:
        if copy:
            _copy_up(root, mount, tree, attributes)
        root.attach(tree, mount.target)
        _propagate(tree, mount)
    finally:
        os.close(tree)
    return None


def _data(root: Root, mount: Mount, label: str) -> tuple[tuple[str, str], ...]:
    data = [("source", mount.source), *mount.options.data]
    if root.foreign and mount.type == "tmpfs" and not any(name == "mode" for name, _value in data):
        mode = root.mode_of(mount.target)
        data += [("mode", f"{mode:o}")] if mode >= 0 else []
    if mount.type not in _KERNELS and (mount.options.set | mount.options.deep_set) & mounts.ATTR_RDONLY:
        data.append(("ro", ""))
    if label and mount.type not in _UNLABELLED and not any(name == "context" for name, _value in data):
        _check_selinux()
        data.append(("context", label))
    return tuple(data)


def _check_selinux() -> None:
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not labels.selinux_is_on(proc):
            raise Unsupported("linux.mountLabel: this kernel has no SELinux: leave it out")
    finally:
        os.close(proc)


def _open_new(mount: Mount, data: tuple[tuple[str, str], ...], attributes: int) -> int:
    try:
        return mounts.open_filesystem(mount.type, data, attributes)
    except KernelError as error:
        if error.errno == errno.ENODEV:
            raise Unsupported(f"mounts: {mount.target}: this kernel has no file system {mount.type!a}") from error
        if error.errno not in (errno.EPERM, errno.EBUSY) or mount.type not in _STAND_INS:
            raise
    tree = mounts.open_tree(_STAND_INS[mount.type], recursive=True)
    mounts.set_attributes(tree, attributes, recursive=True)
    return tree


def _mount_long(root: Root, mount: Mount, data: tuple[tuple[str, str], ...]) -> None:
    """mount(2): fsconfig(2) takes no value longer than 255 bytes, and an overlay of many layers has one."""
    text = ",".join(f"{name}={value}" if value else name for name, value in data if name != "source")
    attributes = mount.options.set | mount.options.deep_set
    place = root.open_target(mount.target, directory=True)
    try:
        # The first four attributes have the numbers of mount(2)'s flags.
        mounts.mount(mount.source, f"/proc/self/fd/{place}", mount.type, attributes & 0xF, text)
    finally:
        os.close(place)
    top = root.open_target(mount.target, directory=True)
    try:
        mounts.set_attributes(top, attributes, clear=mount.options.clear | mount.options.deep_clear)
        _propagate(top, mount)
    finally:
        os.close(top)


def _copy_up(root: Root, mount: Mount, tree: int, attributes: int) -> None:
    place = root.open_target(mount.target, directory=True)
    try:
        copyup.copy_up(place, tree)
    finally:
        os.close(place)
    if attributes & mounts.ATTR_RDONLY:
        mounts.set_attributes(tree, mounts.ATTR_RDONLY)


def _remount(root: Root, mount: Mount) -> None:
    """The option remount: with bind only this mount's attributes, else the file system's own options as well."""
    options = mount.options
    place = root.open_target(mount.target, directory=True)
    try:
        if not mount.bind and options.data:
            mounts.reconfigure(place, options.data)
        mounts.set_attributes(place, options.set, clear=options.clear)
        if options.deep_set or options.deep_clear:
            mounts.set_attributes(place, options.deep_set, clear=options.deep_clear, recursive=True)
        _propagate(place, mount)
    except KernelError as error:
        raise InvalidSpec(f"mounts: {mount.target} can't be remounted: {os.strerror(error.errno)}") from error
    finally:
        os.close(place)


def _propagate(fd: int, mount: Mount) -> None:
    for flags in mount.options.propagation:
        mounts.set_attributes(fd, 0, propagation=flags & ~mounts.MS_REC, recursive=bool(flags & mounts.MS_REC))
