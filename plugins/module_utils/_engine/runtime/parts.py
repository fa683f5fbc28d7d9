# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts that only the host's root can make, as detached descriptors: the overlay root, the device directory, the binds."""

from __future__ import annotations

import errno
import os

from ..errors import EngineError, InvalidSpec, KernelError, NotFound, Unsupported
from ..kernel import mounts, process
from . import borrowing, devices, link
from .ids import open_userns
from .ids import read as read_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..kernel.sockets import Socket
    from .devices import Node
    from .ids import IdMap
    from .mountoptions import Mount

# SCM_MAX_FD of unix(7) is 253.
_BATCH = 200


def open_overlay(layers: tuple[str, ...], home: str, scratch: str, userns_fd: int, owner: int) -> int:
    """A detached overlay of `layers` (topmost first) with home/upper on top; ids on disk are the container's own.

    `owner` is the host id of the container's root. With `userns_fd` (-1 for none) each layer is seen through an idmapped
    mount, which overlayfs takes since Linux 5.19. Overlayfs looks its layers up by path, so they are attached below
    `scratch`, a directory, while the overlay is made: the caller must have a mount namespace of its own. Unsupported,
    with the way out, when kernel or file system can't.
    """
    mounts.mount("tmpfs", scratch, "tmpfs", mounts.MS_NOSUID | mounts.MS_NODEV, "mode=0700,size=1m")
    try:
        os.chdir(scratch)
        for number, source in enumerate((*layers, home)):
            _attach(source, str(number), userns_fd)
        os.mkdir("root")
        # Short relative names: mount(2) takes one page of options, and images have up to 127 layers.
        lower, top = ":".join(str(number) for number in range(len(layers))), len(layers)
        data = f"lowerdir={lower},upperdir={top}/upper,workdir={top}/work,redirect_dir=off,metacopy=off,index=off"
        # Overlayfs works on the upper with its mounter's ids, and the host's root has none in an idmapped mount.
        process.act_as(owner)
        try:
            _mount_overlay(data)
        finally:
            process.act_as(0)
        return mounts.open_tree("root")
    finally:
        os.chdir("/")
        mounts.unmount(scratch)


def _mount_overlay(data: str) -> None:
    try:
        mounts.mount("overlay", "root", "overlay", mounts.MS_NODEV, data)
    except KernelError as error:
        if error.errno == errno.ENODEV:
            raise Unsupported("this kernel has no overlay file system: load the module overlay") from error
        if error.errno == errno.EINVAL:
            raise Unsupported(
                "this kernel can't stack these layers in a user namespace: use userns_mode: host"
            ) from error
        raise


def _attach(source: str, name: str, userns_fd: int) -> None:
    os.mkdir(name)
    tree = mounts.open_tree(source)
    try:
        if userns_fd >= 0:
            mounts.set_attributes(tree, 0, userns_fd=userns_fd)
        mounts.move_to_path(tree, name)
    except KernelError as error:
        if error.errno in (errno.EINVAL, errno.ENOSYS, errno.EPERM):
            raise Unsupported(
                f"the file system of {source} can't be mapped into a user namespace here ({error}): use userns_mode: host"
            ) from error
        raise
    finally:
        os.close(tree)


def open_root(path: str, propagation: int) -> int:
    """A detached copy of the directory `path` and all that is mounted below it; `propagation` as mountoptions.propagation_of gives it."""
    try:
        tree = mounts.open_tree(path, recursive=True)
    except KernelError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise NotFound(f"root.path {path} is no directory on this host") from error
        raise
    # What is shared with the host may not be pivoted to, and what is mounted in it would be mounted there as well.
    flow = mounts.MS_SLAVE if propagation & mounts.MS_SLAVE else mounts.MS_PRIVATE
    mounts.set_attributes(tree, 0, propagation=flow, recursive=True)
    return tree


def open_shared(listed: Sequence[Mount]) -> dict[int, int]:
    """The binds whose mounts are to be seen on the host as well, by their place in the list.

    Only a copy made in the host's own mount namespace is its peer: call it before leaving that one.
    """
    return {number: _open_source(mount) for number, mount in enumerate(listed) if mount.bind and mount.options.shared}


def open_all(
    listed: Sequence[Mount],
    nodes: Sequence[Node],
    ids: IdMap,
    userns_fd: int,
    *,
    scratch: str,
    map_binds: bool,
    shared: dict[int, int],
) -> tuple[dict[int, int], dict[str, int]]:
    """What only the host's root can open, as detached mounts: binds and the engine's /dev by their place in the list; nodes by path.

    `userns_fd` is the container's user namespace, -1 for none. With `map_binds` binds are seen through its ids where that
    can be, also without the option idmap. `shared` comes from open_shared. `scratch` as in devices.open_loose.
    """
    given: dict[int, int] = {}
    own = False
    for number, mount in enumerate(listed):
        if mount.options.remount:
            continue
        if mount.bind:
            source = shared[number] if number in shared else _open_source(mount)
            given[number] = _prepare(mount, source, userns_fd, map_binds=map_binds)
        elif mount.devices and not own:
            given[number] = devices.open_directory(mount, nodes, ids)
            own = True
    # A /dev of somebody else's is left as it is.
    foreign = any(mount.target == "/dev" for mount in listed) and not own
    loose = [node for node in nodes if not (node.path.startswith("/dev/") and (own or foreign))]
    if not loose:
        return given, {}
    return given, dict(zip((node.path for node in loose), devices.open_loose(loose, ids, scratch)))


def _open_source(mount: Mount) -> int:
    """NotFound when the source is missing: a bind never makes it."""
    if borrowing.is_inside(mount.source):
        return borrowing.open_inside(mount.source, recursive=mount.options.recursive)
    try:
        return mounts.open_tree(mount.source, recursive=mount.options.recursive)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            raise NotFound(f"bind source {mount.source} does not exist on this host: make it first") from error
        raise EngineError(f"bind source {mount.source}: {os.strerror(error.errno)}") from error


def _prepare(mount: Mount, tree: int, userns_fd: int, *, map_binds: bool) -> int:
    """Give the copy its ids, its attributes and its place in the flow of mount events: private unless told otherwise."""
    options = mount.options
    try:
        if mount.uid_mappings or mount.gid_mappings or options.idmap:
            _map(mount, tree, userns_fd)
        elif map_binds and userns_fd >= 0 and not _is_kernels(mount.source):
            _map_if_possible(tree, userns_fd, recursive=options.recursive)
        flow = options.propagation or (mounts.MS_PRIVATE | mounts.MS_REC,)
        # One call does for what most binds are: attributes for all below, and a flow for all below.
        deep = flow[0] & ~mounts.MS_REC if flow[0] & mounts.MS_REC else 0
        if deep or options.deep_set or options.deep_clear:
            mounts.set_attributes(tree, options.deep_set, clear=options.deep_clear, propagation=deep, recursive=True)
        if options.set or options.clear:
            mounts.set_attributes(tree, options.set, clear=options.clear)
        for flags in flow[1:] if deep else flow:
            mounts.set_attributes(tree, 0, propagation=flags & ~mounts.MS_REC, recursive=bool(flags & mounts.MS_REC))
    except KernelError as error:
        os.close(tree)
        raise EngineError(f"mount {mount.source} at {mount.target}: {os.strerror(error.errno)}") from error
    return tree


def open_again(tree: int, mount: Mount, root: int) -> int:
    """The bind of which `tree` is a copy, made anew in this mount namespace; `tree` itself where that would be another thing.

    In mountinfo mounts stand in the order in which they were made, and config.json's order is to be seen. It takes the
    host's rights, and a mount namespace in which the host's paths are what they were, but for what is at `root`.
    """
    options = mount.options
    own = options.shared or options.idmap or mount.uid_mappings or mount.gid_mappings
    if own or not mount.source.startswith("/") or borrowing.is_inside(mount.source):
        return tree
    try:
        if options.recursive and _is_above(mount.source, root):
            return tree
        copy = _prepare(mount, _open_source(mount), -1, map_binds=False)
    except (EngineError, OSError):
        return tree
    given, found = os.fstat(tree), os.fstat(copy)
    same = (given.st_dev, given.st_ino) == (found.st_dev, found.st_ino)
    os.close(tree if same else copy)
    return copy if same else tree


def _is_above(source: str, root: int) -> bool:
    """Whether the container's own mounts would be seen in a copy of all that is mounted below `source`."""
    top = os.readlink(f"/proc/self/fd/{root}")
    return f"{top}/".startswith(f"{os.path.realpath(source).rstrip('/')}/")


def _is_kernels(path: str) -> bool:
    return f"{path}/".startswith(("/sys/", "/proc/", "/dev/"))


def _map(mount: Mount, tree: int, userns_fd: int) -> None:
    """The option idmap, or mappings of the mount's own: an error where it can't be done (runtime-spec config.md, Mounts)."""
    own = ids_of(mount)
    space = open_userns(own) if own.uids or own.gids else userns_fd
    if space < 0:
        raise InvalidSpec(f"mount {mount.target}: idmap needs uidMappings and gidMappings, or a user namespace")
    try:
        mounts.set_attributes(tree, 0, userns_fd=space, recursive=mount.options.idmap == "ridmap")
    except KernelError as error:
        raise Unsupported(
            f"mount {mount.target}: the ids of {mount.source} can't be mapped: {os.strerror(error.errno)}"
        ) from error
    finally:
        if space != userns_fd:
            os.close(space)


def ids_of(mount: Mount) -> IdMap:
    """The mount's own mappings."""
    return read_ids(mount.uid_mappings, mount.gid_mappings)


def _map_if_possible(tree: int, userns_fd: int, *, recursive: bool) -> None:
    """Without it the files belong to nobody inside, which is safe but rarely wanted."""
    for deep in (recursive, False):
        try:
            return mounts.set_attributes(tree, 0, userns_fd=userns_fd, recursive=deep)
        except KernelError as error:
            if error.errno not in (errno.EINVAL, errno.EPERM, errno.ENOSYS):
                raise
    return None


def send(end: Socket, root: int, given: dict[int, int], loose: dict[str, int]) -> None:
    """Give everything to the first process, however many there are; closes them all."""
    items = [("root", root), *given.items(), *loose.items()]
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        more = start + _BATCH < len(items)
        link.send(
            end, "mounts", {"labels": [label for label, _fd in batch], "more": more}, tuple(fd for _label, fd in batch)
        )
        for _label, fd in batch:
            os.close(fd)


def receive(end: Socket) -> tuple[int, dict[int, int], dict[str, int]]:
    """What `send` sent: the root, the mounts by their place in the list, the nodes by path."""
    given: dict[int, int] = {}
    named: dict[str, int] = {}
    more = True
    while more:
        fields, fds = link.receive(end, "mounts")
        for label, fd in zip(fields["labels"], fds):
            if isinstance(label, int):
                given[label] = fd
            else:
                named[label] = fd
        more = fields["more"]
    return named.pop("root"), given, named
