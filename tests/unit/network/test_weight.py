# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network costs at start: nothing heavy until a link is made, and of pyroute2 its message codec only."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

ENGINE = pathlib.Path(__file__).parents[3] / "plugins" / "module_utils"
HEAVY = {
    "pyroute2",
    "logging",
    "subprocess",
    "typing",
    "dataclasses",
    "pathlib",
    "argparse",
    "asyncio",
    "multiprocessing",
}


def modules_after(code: str, *places: str) -> set[str]:
    script = f"import sys; sys.path[:0] = {[str(ENGINE), *places]!r}\n{code}\nimport json; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True, capture_output=True, timeout=20)
    return set(json.loads(done.stdout))


def test_deciding_and_answering_need_nothing_heavy() -> None:
    loaded = modules_after(
        "from _engine.network import attach, ports, modes, resolv\nfrom _engine.runtime import names"
    )
    assert loaded.isdisjoint(HEAVY)


def test_of_pyroute2_only_the_codec_comes_in() -> None:
    import pyroute2

    place = str(pathlib.Path(pyroute2.__file__).parents[1])
    loaded = modules_after("from _engine.network import attach\nattach.warm()", place)
    assert {name for name in loaded if name.startswith("pyroute2")} == {
        "pyroute2.common",
        "pyroute2.netlink",
        "pyroute2.netlink.exceptions",
    }
    assert loaded.isdisjoint({"asyncio", "multiprocessing", "subprocess", "logging", "traceback"})


def test_what_stood_in_for_logging_is_gone_when_the_codec_is_there() -> None:
    import pyroute2

    place = str(pathlib.Path(pyroute2.__file__).parents[1])
    loaded = modules_after(
        "from _engine.network import attach\nattach.warm()\nimport logging, traceback\n"
        "logging.getLogger('heard').warning('heard'); traceback.format_exc(); sys.modules[logging.WARNING.__class__.__name__] = None",
        place,
    )
    assert "int" in loaded  # logging's own constant, where silence would have a function


def test_without_pyroute2_the_way_out_is_named() -> None:
    loaded = modules_after(
        "from _engine.network import attach\nfrom _engine.errors import MissingDependency\n"
        "try: attach.warm()\nexcept MissingDependency as error: sys.modules[str(error)] = None"
    )
    assert any("Python package pyroute2" in name for name in loaded)
