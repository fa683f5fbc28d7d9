# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's modules out of one file: to find and open sixty of them one by one is a third of what a start costs.

The pack is written where the engine is installed, of what that host's Python has compiled. Without one that fits, or for a
module that is not in it, Python looks for files as ever.
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
_LENGTH = 8

# name -> (offset, size, whether it is a package)
Index = dict[str, tuple[int, int, bool]]


def write(directory: str, final: str) -> None:
    """Make the pack of the package below `directory`, which will be called `final` and whose modules are compiled already."""
    from importlib.util import MAGIC_NUMBER, cache_from_source

    index: Index = {}
    codes: list[bytes] = []
    at = 0
    for folder, _below, names in os.walk(f"{directory}/{PACKAGE}"):
        for source in (f"{folder}/{name}" for name in sorted(names) if name.endswith(".py")):
            with open(cache_from_source(source), "rb") as file:
                code = file.read()[16:]  # PEP 552: what comes before is the magic number, flags and a hash
            name, is_package = _name(os.path.relpath(source, directory))
            index[name] = (at, len(code), is_package)
            codes.append(code)
            at += len(code)
    head = marshal.dumps((MAGIC_NUMBER, final, index))
    with open(f"{directory}/{PACK}", "xb") as file:
        file.write(len(head).to_bytes(_LENGTH, "big") + head + b"".join(codes))


def install(directory: str) -> bool:
    """From now on modules come out of the pack in `directory`; False when there is none that fits this Python."""
    try:
        with open(f"{directory}/{PACK}", "rb") as file:
            size = int.from_bytes(file.read(_LENGTH), "big")
            magic, final, index = marshal.loads(file.read(size))
            mark = _mark(file.fileno())
    except (OSError, ValueError, EOFError, TypeError):
        return False
    # What the interpreter itself goes by; importlib.util would cost more than the pack saves.
    if magic != sys.modules["_frozen_importlib_external"].MAGIC_NUMBER or final != directory:
        return False
    sys.meta_path.insert(0, Finder(directory, index, _LENGTH + size, mark))
    return True


class Finder:
    """Finds and loads what is in the index. No descriptor stays open: processes that live long close what they don't know.

    A process that has gone into a container may find another file under the pack's name, and must not run what is in that.
    """

    def __init__(self, directory: str, index: Index, start: int, mark: tuple[int, int]) -> None:
        self._directory, self._index, self._start, self._mark = directory, index, start, mark
        self._spec = type(sys.__spec__)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The module's spec, or None: then it is looked for elsewhere."""
        del path, target
        found = self._index.get(name)
        if found is None:
            return None
        spec = self._spec(name, self, is_package=found[2])  # type: ignore[arg-type]
        if found[2]:
            spec.submodule_search_locations = [f"{self._directory}/{name.replace('.', '/')}"]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """An ordinary module."""
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        name = module.__name__
        offset, size, is_package = self._index[name]
        # Said here, not in the spec: from that the interpreter would make up where byte code is cached, for every module.
        module.__file__ = f"{self._directory}/{name.replace('.', '/')}{'/__init__' if is_package else ''}.py"
        descriptor = os.open(f"{self._directory}/{PACK}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _mark(descriptor) != self._mark:
                raise ImportError(f"{self._directory}/{PACK} is another file than it was", name=name)
            code = os.pread(descriptor, size, self._start + offset)
        finally:
            os.close(descriptor)
        exec(marshal.loads(code), module.__dict__)


def _mark(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _name(path: str) -> tuple[str, bool]:
    parts = path[: -len(".py")].split("/")
    is_package = parts[-1] == "__init__"
    return ".".join(parts[:-1] if is_package else parts), is_package
