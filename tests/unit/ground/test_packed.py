# SPDX-License-Identifier: GPL-3.0-or-later
"""The pack gives the same modules as the files; whatever is wrong with it, the files do."""

from __future__ import annotations

import json
import pathlib
import py_compile
import subprocess
import sys

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine import packed, packing

MODULES = {
    "__init__.py": "PLACE = __file__",
    "one.py": "from .room import two\nfrom . import late\nVALUE = two.VALUE + late.VALUE",
    "late.py": "VALUE = 1",
    "room/__init__.py": "",
    "room/two.py": "VALUE = 40",
}
SCRIPT = """
import json, sys
sys.path[:0] = [{directory!r}, {packed!r}]
import packed
fits = packed.install({directory!r})
from berth_engine import one
import berth_engine
out = {{name: str(type(module.__loader__).__name__) for name, module in sys.modules.items() if name.startswith("berth_engine")}}
print(json.dumps([fits, one.VALUE, one.__file__, berth_engine.PLACE, out]))
"""


@pytest.fixture
def engine(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory as delivery leaves it: sources, compiled forms, the pack."""
    for name, source in MODULES.items():
        path = tmp_path / packed.PACKAGE / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        py_compile.compile(str(path), doraise=True)
    packing.write(str(tmp_path), str(tmp_path))
    return tmp_path


def ask(engine: pathlib.Path) -> tuple[bool, int, str, str, dict[str, str]]:
    script = SCRIPT.format(directory=str(engine), packed=str(pathlib.Path(packed.__file__).parent))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    fits, value, file, place, loaders = json.loads(done.stdout)
    return fits, value, file, place, loaders


def test_every_module_comes_from_the_pack(engine: pathlib.Path) -> None:
    fits, value, file, place, loaders = ask(engine)
    assert (fits, value) == (True, 41)
    assert file == str(engine / "berth_engine/one.py")
    assert place == str(engine / "berth_engine/__init__.py")
    assert set(loaders.values()) == {"Finder"} and len(loaders) == 5


def test_what_is_not_in_it_is_a_file(engine: pathlib.Path) -> None:
    (engine / packed.PACK).unlink()
    late = engine / packed.PACKAGE / "late.py"
    late.rename(engine / "late.py")
    packing.write(str(engine), str(engine))
    (engine / "late.py").rename(late)
    fits, value, _file, _place, loaders = ask(engine)
    assert (fits, value) == (True, 41)
    assert loaders["berth_engine.late"] == "SourceFileLoader"


@pytest.mark.parametrize("harm", ["missing", "empty", "cut", "other magic", "elsewhere"])
def test_a_pack_that_does_not_fit(engine: pathlib.Path, harm: str) -> None:
    pack = engine / packed.PACK
    data = pack.read_bytes()
    pack.unlink()
    if harm == "elsewhere":
        packing.write(str(engine), "/another/place")
    elif harm != "missing":
        pack.write_bytes({"empty": b"", "cut": data[:40], "other magic": data.replace(data[16:20], b"zzzz", 1)}[harm])
    fits, value, *_rest = ask(engine)
    assert (fits, value) == (False, 41)


def test_another_file_under_the_name_is_not_run(engine: pathlib.Path) -> None:
    script = f"""
import os, sys
sys.path[:0] = [{str(engine)!r}, {str(pathlib.Path(packed.__file__).parent)!r}]
import packed
packed.install({str(engine)!r})
import berth_engine.room
pack = {str(engine / packed.PACK)!r}
data = open(pack, "rb").read()
os.unlink(pack)
open(pack + ".keep", "w")  # so that the inode is not given again at once
open(pack, "wb").write(data)
try:
    import berth_engine.late
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{engine / packed.PACK} is another file than it was\n"


HTTP_SCRIPT = """
import sys
sys.path[:0] = [{directory!r}, {packed!r}]
sys.path.append({host!r})
import packed
packed.install({directory!r})
fits = packed.add(packed.HTTP), packed.add(packed.HTTP)
import colorsys, neighbour, sudden
print(fits, len(sys.meta_path))
for module in (colorsys, neighbour, sudden):
    print(type(module.__loader__).__name__, module.__file__, getattr(module, "VALUE", 0))
"""


@pytest.fixture
def speaking(engine: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, pathlib.Path]:
    """An engine with a door to HTTP that loads a module of the standard library, one beside the engine, and one of the host."""
    host = tmp_path_factory.mktemp("host")
    (host / "sudden.py").write_text("VALUE = 1")
    (engine / "neighbour").mkdir()
    (engine / "neighbour/__init__.py").write_text("VALUE = 2")
    (engine / packed.PACKAGE / "registry").mkdir()
    (engine / packed.PACKAGE / "registry/__init__.py").write_text("")
    door = f"import sys\ndef open_door():\n    sys.path.append({str(host)!r})\n    import colorsys, neighbour, sudden"
    (engine / packed.PACKAGE / "registry/pools.py").write_text(door)
    for source in engine.rglob("*.py"):
        py_compile.compile(str(source), doraise=True)
    (engine / packed.PACK).unlink()
    packing.write(str(engine), str(engine))
    return engine, host


def ask_http(engine: pathlib.Path, host: pathlib.Path) -> list[list[str]]:
    folder = str(pathlib.Path(packed.__file__).parent)
    script = HTTP_SCRIPT.format(directory=str(engine), packed=folder, host=str(host))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    return [line.split() for line in done.stdout.splitlines()]


def test_what_speaks_http_comes_from_a_pack_too(speaking: tuple[pathlib.Path, pathlib.Path]) -> None:
    engine, host = speaking
    fits, library, neighbour, sudden = ask_http(engine, host)
    assert fits == ["(True,", "True)", "5"]  # the interpreter's own three, and each pack once
    assert library[0] == "Finder" and library[1].endswith("/colorsys.py")
    assert neighbour == ["Finder", str(engine / "neighbour/__init__.py"), "2"]
    assert sudden == ["Finder", str(host / "sudden.py"), "1"]


def test_what_the_host_has_upgraded_since_is_read_anew(speaking: tuple[pathlib.Path, pathlib.Path]) -> None:
    engine, host = speaking
    (host / "sudden.py").write_text("VALUE = 1000")
    assert ask_http(engine, host)[3] == ["SourceFileLoader", str(host / "sudden.py"), "1000"]
    (host / "sudden.py").unlink()
    (host / "sudden").mkdir()
    (host / "sudden/__init__.py").write_text("VALUE = 3")
    assert ask_http(engine, host)[3] == ["SourceFileLoader", str(host / "sudden/__init__.py"), "3"]


def test_an_engine_without_http_has_no_pack_of_it(engine: pathlib.Path) -> None:
    assert not (engine / packed.HTTP).exists()
    script = f"import sys; sys.path[:0] = [{str(pathlib.Path(packed.__file__).parent)!r}]; import packed\n"
    script += f"packed.install({str(engine)!r}); print(packed.add(packed.HTTP))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
