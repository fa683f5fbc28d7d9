# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the packs that `packed` reads, where the engine is installed and by that host's Python.

One is of the engine's own modules, one each of those of others by which it speaks HTTP and netlink. What nobody asks for at run
time is left out of ours, docstrings and the annotations of functions: a fifth less to read at every start.
"""

from __future__ import annotations

import ast
import marshal
import os
import subprocess
import sys

from .packed import HTTP, LENGTH, NETLINK, PACK, PACKAGE, stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .packed import Origins

_PATIENCE = 60
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
            origins[name] = (origin, stamp(origin))
    _write(f"{directory}/{pack}", final, found, origins)


def _bare(source: str, shown: str) -> bytes:
    """The module's code without docstrings, and without annotations but those of classes, which `Value` goes by."""
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

    # One text: of each process that waits for long a dictionary would take 60 KiB more.
    index, at = "\n", 0
    for name, is_package, code in modules:
        index += f"{name} {at} {len(code)} {int(is_package)}\n"
        at += len(code)
    head = marshal.dumps((MAGIC_NUMBER, final, index, origins))
    with open(path, "xb") as file:
        file.write(len(head).to_bytes(LENGTH, "big") + head)
        file.writelines(code for _name, _is_package, code in modules)


def _name(path: str) -> tuple[str, bool]:
    parts = path[: -len(".py")].split("/")
    is_package = parts[-1] == "__init__"
    return ".".join(parts[:-1] if is_package else parts), is_package
