# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules out of one file: to find and open sixty of them one by one is a third of what a start costs.

The packs are made by `packing`. Without one that fits, or for a module that is not in it or changed since, Python looks for
files as ever.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PACKAGE = "berth_engine"
PACK = f"{PACKAGE}.pack"
HTTP = "http.pack"
NETLINK = "netlink.pack"
LENGTH = 8

# A module's offset, its size, and whether it is a package.
Place = tuple[int, int, bool]
# name -> (source file, its time in ns and its size), of modules that may change under the pack
Origins = dict[str, tuple[str, tuple[int, int]]]
# device, inode, size, time of the last write in ns: what tells a file from another one, also from one that got its inode
Mark = tuple[int, int, int, int]


def install(directory: str, pack: str = PACK) -> bool:
    """From now on modules come out of that pack in `directory`; False when there is none that fits this Python."""
    path = f"{directory}/{pack}"
    try:
        with open(path, "rb") as file:
            size = int.from_bytes(file.read(LENGTH), "big")
            magic, final, index, origins = marshal.loads(file.read(size))
            mark = _mark(file.fileno())
    except (OSError, ValueError, EOFError, TypeError):
        return False
    # What the interpreter itself goes by; importlib.util would cost more than the pack saves.
    if magic != sys.modules["_frozen_importlib_external"].MAGIC_NUMBER or final != directory:
        return False
    sys.meta_path.insert(0, Finder(path, index, origins, LENGTH + size, mark))
    return True


def add(pack: str) -> bool:
    """Have the modules of HTTP or NETLINK come out of their pack, too, when the engine's own do. Harmless twice."""
    paths = [finder.path for finder in sys.meta_path if isinstance(finder, Finder)]
    home = paths[0].rpartition("/")[0] if paths else ""
    return f"{home}/{pack}" in paths or (bool(paths) and install(home, pack))


class Finder:
    """Finds and loads what is in the index. No descriptor stays open: processes that live long close what they don't know.

    A process that has gone into a container may find another file under the pack's name, and must not run what is in that.
    """

    def __init__(self, path: str, index: str, origins: Origins, start: int, mark: Mark) -> None:
        self.path, self._directory = path, path.rpartition("/")[0]
        self._index, self._origins, self._start, self._mark = index, origins, start, mark
        self._spec = type(sys.__spec__)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The module's spec, or None: then it is looked for elsewhere."""
        del path, target
        found = self._place(name)
        if found is None or (name in self._origins and not self._is_fresh(name)):
            return None
        spec = self._spec(name, self, loader_state=found, is_package=found[2])  # type: ignore[arg-type]
        if found[2]:
            spec.submodule_search_locations = [self._file(name, found).rpartition("/")[0]]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """An ordinary module."""
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        name = module.__name__
        place: Place = module.__spec__.loader_state  # type: ignore[union-attr]
        offset, size, _is_package = place
        # Said here, not in the spec: from that the interpreter would make up where byte code is cached, for every module.
        module.__file__ = self._file(name, place)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _mark(descriptor) != self._mark:
                raise ImportError(f"{self.path} is another file than it was", name=name)
            code = os.pread(descriptor, size, self._start + offset)
        finally:
            os.close(descriptor)
        exec(marshal.loads(code), module.__dict__)

    def _place(self, name: str) -> Place | None:
        at = self._index.find(f"\n{name} ")
        if at < 0:
            return None
        start = at + len(name) + 2
        offset, size, is_package = self._index[start : self._index.index("\n", start)].split(" ")
        return int(offset), int(size), is_package == "1"

    def _file(self, name: str, place: Place) -> str:
        if name in self._origins:
            return self._origins[name][0]
        return f"{self._directory}/{name.replace('.', '/')}{'/__init__' if place[2] else ''}.py"

    def _is_fresh(self, name: str) -> bool:
        path, known = self._origins[name]
        try:
            return stamp(path) == known
        except OSError:
            return False


def _mark(descriptor: int) -> Mark:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def stamp(path: str) -> tuple[int, int]:
    """The time of the last write, in ns, and the size: what tells a module from what it was."""
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size
