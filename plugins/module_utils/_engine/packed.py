# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules out of one file: to find and open sixty of them one by one is a third of what a start costs.

What nobody asks for at run time, docstrings and the annotations of functions, is left out: a fifth less to read at every start.

The packs are written where the engine is installed, of what that host's Python has compiled: one of the engine's own modules,
one each of those of others by which it speaks HTTP and netlink. Without one that fits, or for a module that is not in it or
changed since, Python looks for files as ever.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PACKAGE = "berth_engine"
PACK = f"{PACKAGE}.pack"
HTTP = "http.pack"
NETLINK = "netlink.pack"
_LENGTH = 8
_PATIENCE = 60

# name -> (offset, size, whether it is a package)
Index = dict[str, tuple[int, int, bool]]
# name -> (source file, its time in ns and its size), of modules that may change under the pack
Origins = dict[str, tuple[str, tuple[int, int]]]
# device, inode, size, time of the last write in ns: what tells a file from another one, also from one that got its inode
Mark = tuple[int, int, int, int]

_LOADED = """
import sys
sys.dont_write_bytecode = True
sys.path.append(sys.argv[1])
there = set(sys.modules)
exec(sys.argv[2])
for name, module in list(sys.modules.items()):
    spec = getattr(module, "__spec__", None) if isinstance(module, type(sys)) else None
    if name not in there and spec and spec.name == name and (spec.origin or "").endswith(".py"):
        print(name, spec.origin, sep="\\t")
"""


# What loads what is in the pack of others' modules for one purpose.
_DOORS = {
    HTTP: "import encodings.idna, json, ctypes; from berth_engine.registry import pools; pools.open_door()",
    NETLINK: "from berth_engine.network import attach; attach.warm()",
}


def write(directory: str, final: str) -> None:
    """Make the packs of what lies below `directory`, which will be called `final` and whose modules are compiled already."""
    _write_own(directory, final)
    for pack, opening in _DOORS.items():
        _write_others(directory, final, pack, opening)


def _write_own(directory: str, final: str) -> None:
    found: list[tuple[str, bool, bytes]] = []
    for folder, _below, names in os.walk(f"{directory}/{PACKAGE}"):
        for source in (f"{folder}/{name}" for name in sorted(names) if name.endswith(".py")):
            name, is_package = _name(os.path.relpath(source, directory))
            found.append((name, is_package, _bare(source, source.replace(directory, final, 1))))
    _write(f"{directory}/{PACK}", final, found, {})


def _write_others(directory: str, final: str, pack: str, opening: str) -> None:
    """Of what a Python of its own loads when it does `opening`. None is written where that fails."""
    import subprocess
    from importlib.machinery import SourceFileLoader

    words = [sys.executable, "-I", "-S", "-c", _LOADED, directory, opening]
    try:
        done = subprocess.run(words, check=True, capture_output=True, timeout=_PATIENCE, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return
    found: list[tuple[str, bool, bytes]] = []
    origins: Origins = {}
    for line in os.fsdecode(done.stdout).splitlines():
        name, _tab, origin = line.partition("\t")
        if name.partition(".")[0] == PACKAGE:
            continue
        # What lies beside the engine never changes, and its code knows its final place; the host's own may be upgraded.
        is_ours = origin.startswith(f"{directory}/")
        code = _compiled(origin) if is_ours else marshal.dumps(SourceFileLoader(name, origin).get_code(name))
        found.append((name, origin.endswith("/__init__.py"), code))
        if not is_ours:
            origins[name] = (origin, _stamp(origin))
    _write(f"{directory}/{pack}", final, found, origins)


def _bare(source: str, shown: str) -> bytes:
    """The module's code without docstrings, and without annotations but those of classes, which `Value` goes by."""
    import ast

    with open(source, "rb") as file:
        tree = ast.parse(file.read(), shown)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
            for argument in _arguments(node.args):
                argument.annotation = None
    return marshal.dumps(compile(tree, shown, "exec", dont_inherit=True, optimize=2))


def _arguments(given: ast.arguments) -> list[ast.arg]:
    extra = [argument for argument in (given.vararg, given.kwarg) if argument]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *extra]


def _compiled(source: str) -> bytes:
    from importlib.util import cache_from_source

    with open(cache_from_source(source), "rb") as file:
        return file.read()[16:]  # PEP 552: what comes before is the magic number, flags and a hash


def _write(path: str, final: str, modules: list[tuple[str, bool, bytes]], origins: Origins) -> None:
    from importlib.util import MAGIC_NUMBER

    index: Index = {}
    at = 0
    for name, is_package, code in modules:
        index[name] = (at, len(code), is_package)
        at += len(code)
    head = marshal.dumps((MAGIC_NUMBER, final, index, origins))
    with open(path, "xb") as file:
        file.write(len(head).to_bytes(_LENGTH, "big") + head)
        file.writelines(code for _name, _is_package, code in modules)


def install(directory: str, pack: str = PACK) -> bool:
    """From now on modules come out of that pack in `directory`; False when there is none that fits this Python."""
    path = f"{directory}/{pack}"
    try:
        with open(path, "rb") as file:
            size = int.from_bytes(file.read(_LENGTH), "big")
            magic, final, index, origins = marshal.loads(file.read(size))
            mark = _mark(file.fileno())
    except (OSError, ValueError, EOFError, TypeError):
        return False
    # What the interpreter itself goes by; importlib.util would cost more than the pack saves.
    if magic != sys.modules["_frozen_importlib_external"].MAGIC_NUMBER or final != directory:
        return False
    sys.meta_path.insert(0, Finder(path, index, origins, _LENGTH + size, mark))
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

    def __init__(self, path: str, index: Index, origins: Origins, start: int, mark: Mark) -> None:
        self.path, self._directory = path, path.rpartition("/")[0]
        self._index, self._origins, self._start, self._mark = index, origins, start, mark
        self._spec = type(sys.__spec__)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The module's spec, or None: then it is looked for elsewhere."""
        del path, target
        found = self._index.get(name)
        if found is None or (name in self._origins and not self._is_fresh(name)):
            return None
        spec = self._spec(name, self, is_package=found[2])  # type: ignore[arg-type]
        if found[2]:
            spec.submodule_search_locations = [self._file(name).rpartition("/")[0]]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """An ordinary module."""
        del spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        name = module.__name__
        offset, size, _is_package = self._index[name]
        # Said here, not in the spec: from that the interpreter would make up where byte code is cached, for every module.
        module.__file__ = self._file(name)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _mark(descriptor) != self._mark:
                raise ImportError(f"{self.path} is another file than it was", name=name)
            code = os.pread(descriptor, size, self._start + offset)
        finally:
            os.close(descriptor)
        exec(marshal.loads(code), module.__dict__)

    def _file(self, name: str) -> str:
        if name in self._origins:
            return self._origins[name][0]
        return f"{self._directory}/{name.replace('.', '/')}{'/__init__' if self._index[name][2] else ''}.py"

    def _is_fresh(self, name: str) -> bool:
        path, stamp = self._origins[name]
        try:
            return _stamp(path) == stamp
        except OSError:
            return False


def _mark(descriptor: int) -> Mark:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _stamp(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_mtime_ns, status.st_size


def _name(path: str) -> tuple[str, bool]:
    parts = path[: -len(".py")].split("/")
    is_package = parts[-1] == "__init__"
    return ".".join(parts[:-1] if is_package else parts), is_package
