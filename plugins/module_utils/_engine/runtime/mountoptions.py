# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a mount in config.json (runtime-spec 1.2, config.md, Linux mount options) as what the kernel is asked for."""

from __future__ import annotations

import os

from ..errors import InvalidSpec
from ..kernel import mounts
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_ATIME = mounts.ATTR_ATIME
# What each word sets and what it clears. "atime" and the like go back to the kernel's own default, which is relatime.
_FLAGS = {
    "ro": (mounts.ATTR_RDONLY, 0), "rw": (0, mounts.ATTR_RDONLY),
    "nosuid": (mounts.ATTR_NOSUID, 0), "suid": (0, mounts.ATTR_NOSUID),
    "nodev": (mounts.ATTR_NODEV, 0), "dev": (0, mounts.ATTR_NODEV),
    "noexec": (mounts.ATTR_NOEXEC, 0), "exec": (0, mounts.ATTR_NOEXEC),
    "nodiratime": (mounts.ATTR_NODIRATIME, 0), "diratime": (0, mounts.ATTR_NODIRATIME),
    "nosymfollow": (mounts.ATTR_NOSYMFOLLOW, 0), "symfollow": (0, mounts.ATTR_NOSYMFOLLOW),
    "noatime": (mounts.ATTR_NOATIME, _ATIME), "strictatime": (mounts.ATTR_STRICTATIME, _ATIME),
    "relatime": (0, _ATIME), "atime": (0, _ATIME), "norelatime": (0, _ATIME), "nostrictatime": (0, _ATIME),
}  # fmt: skip
_DEEP_FLAGS = {f"r{name}": pair for name, pair in _FLAGS.items()}
_PROPAGATION = {
    "private": mounts.MS_PRIVATE, "shared": mounts.MS_SHARED, "slave": mounts.MS_SLAVE, "unbindable": mounts.MS_UNBINDABLE,
}  # fmt: skip
_PROPAGATION.update({f"r{name}": flag | mounts.MS_REC for name, flag in tuple(_PROPAGATION.items())})
# Of the whole file system, not of one place where it is seen: the kernel takes these words as they are.
_SUPER = {"sync": ("async",), "dirsync": (), "mand": ("nomand",), "lazytime": ("nolazytime",)}
_SUPER_OFF = {word: name for name, words in _SUPER.items() for word in words}
# Without a meaning for fsconfig(2): no message is printed, versions are the file system's own affair, devpts is always new.
_IGNORED = frozenset(("defaults", "silent", "loud", "iversion", "noiversion", "newinstance", ""))


class Options(Value):
    """`set` and `clear` are attributes of the mount itself, `deep_set` and `deep_clear` of it and all below (MOUNT_ATTR_*).

    `propagation` are MS_PRIVATE and the like in their order, with MS_REC for all below. `data` is for the file system: a
    name and a value, or a name and "". `idmap` is "", "idmap" or "ridmap".
    """

    set: int = 0
    clear: int = 0
    deep_set: int = 0
    deep_clear: int = 0
    propagation: tuple[int, ...] = ()
    bind: bool = False
    recursive: bool = False
    remount: bool = False
    copy_up: bool = False
    idmap: str = ""
    data: tuple[tuple[str, str], ...] = ()

    @property
    def shared(self) -> bool:
        """Whether mounts made in the container are to be seen outside."""
        return any(flags & mounts.MS_SHARED for flags in self.propagation)


def parse(options: Sequence[str]) -> Options:
    """The options in their order: of two that contradict each other the last one holds. Unknown words are the file system's."""
    masks, deep = [0, 0], [0, 0]
    words: set[str] = set()
    propagation: list[int] = []
    data: dict[str, str] = {}
    for option in options:
        if not isinstance(option, str) or "\0" in option:
            raise InvalidSpec(f"mounts: {option!a} is no mount option")
        if option in _FLAGS:
            _add(masks, _FLAGS[option])
        elif option in _DEEP_FLAGS:
            _add(deep, _DEEP_FLAGS[option])
        elif option in _PROPAGATION:
            propagation.append(_PROPAGATION[option])
        elif option in ("bind", "rbind", "remount", "tmpcopyup", "idmap", "ridmap"):
            words.add(option)
        elif option in _SUPER_OFF:
            data.pop(_SUPER_OFF[option], None)
        elif option not in _IGNORED:
            name, _unused, value = option.partition("=")
            data[name] = value
    return Options(
        set=masks[0],
        clear=masks[1],
        deep_set=deep[0],
        deep_clear=deep[1],
        propagation=tuple(propagation),
        bind=bool(words & {"bind", "rbind"}),
        recursive="rbind" in words,
        remount="remount" in words,
        copy_up="tmpcopyup" in words,
        idmap="ridmap" if "ridmap" in words else "idmap" if "idmap" in words else "",
        data=tuple(data.items()),
    )


def _add(masks: list[int], pair: tuple[int, int]) -> None:
    adds, clears = pair
    masks[0] = masks[0] & ~clears | adds
    masks[1] = masks[1] & ~adds | clears


def propagation_of(word: str) -> int:
    """linux.rootfsPropagation as MS_* flags; 0 for "", which is private."""
    if word and word not in _PROPAGATION:
        raise InvalidSpec(f"linux.rootfsPropagation: {word!a} is none: write shared, slave, private or unbindable")
    return _PROPAGATION.get(word, 0)


class Mount(Value):
    """One entry of config.json's "mounts". `target` is absolute and has no "." or ".."; the mappings are for an idmap of its own."""

    target: str
    type: str
    source: str
    options: Options
    uid_mappings: tuple[dict[str, int], ...] = ()
    gid_mappings: tuple[dict[str, int], ...] = ()

    @property
    def bind(self) -> bool:
        """Whether it shows what is somewhere else already."""
        return self.options.bind or self.type == "bind"

    @property
    def devices(self) -> bool:
        """Whether it is the /dev that the engine fills."""
        return self.target == "/dev" and self.type == "tmpfs" and not self.bind


def read(entries: Sequence[dict[str, Any]]) -> tuple[Mount, ...]:
    """config.json's "mounts" in their order."""
    return tuple(_read_one(entry) for entry in entries)


def _read_one(entry: dict[str, Any]) -> Mount:
    destination = entry.get("destination")
    if not isinstance(destination, str) or not destination or "\0" in destination:
        raise InvalidSpec(f"mounts: {destination!a} is no destination")
    # A relative one is meant from the root (runtime-spec config.md, Mounts).
    target = os.path.normpath(f"/{destination.lstrip('/')}")
    if target == "/":
        raise InvalidSpec("mounts: nothing can be mounted over the root: choose another destination")
    kind = str(entry.get("type") or "")
    mount = Mount(
        target=target,
        type=kind,
        source=str(entry.get("source") or kind or "none"),
        options=parse(entry.get("options") or ()),
        uid_mappings=tuple(entry.get("uidMappings") or ()),
        gid_mappings=tuple(entry.get("gidMappings") or ()),
    )
    if mount.bind and not entry.get("source"):
        raise InvalidSpec(f"mounts: {target} is a bind mount without a source")
    if not mount.bind and not mount.options.remount and not kind:
        raise InvalidSpec(f"mounts: {target} has no type")
    return mount
