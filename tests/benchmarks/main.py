# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark from the command line to the table: prepares outside, measures on a host to throw away, cleans up in any case."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from . import host, measures, payload, peers
from .command import CommandFailed
from .engines import BASE, BIG, Berth, Docker, Engine, Podman
from .report import Row, as_json, table
from .trial import Bench

REPOSITORY = Path(__file__).resolve().parents[2]
LACKING, MISSED, FAILED = 3, 1, 2


def main(arguments: Sequence[str]) -> int:
    """0 when every figure that could be compared is met, 1 when one is missed, 2 for a broken run, 3 when something is not installed."""
    options = _parse(arguments)
    if options.inside:
        return _inside(options)
    lack = _prepare(options)
    if lack:
        sys.stderr.write(f"{lack}\n")
        return LACKING
    return _outside(options, list(arguments))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description="berth beside Docker and Podman, in one run")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"figures, all when none is named: {' '.join(measures.NAMES)}"
    )
    parser.add_argument("--runs", type=int, default=0, help="samples per figure and engine instead of the usual number")
    parser.add_argument("--quick", action="store_true", help="fewer samples and smaller work, about three minutes")
    parser.add_argument("--json", type=Path, help="write raw samples to this file")
    parser.add_argument("--berth", default="", help="berth's launcher; else $BERTH, else the one of this checkout")
    parser.add_argument("--peers-only", action="store_true", help="measure the peers without ours")
    parser.add_argument("--install-peers", action="store_true", help="install what is missing with apt-get")
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"), help="where the engines' state goes; a real disk")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(measures.NAMES))
    if unknown:
        parser.error(f"no such figure: {' '.join(unknown)}; there are {' '.join(measures.NAMES)}")
    return options


def _prepare(options: argparse.Namespace) -> str:
    """See to what needs the real host; a sentence about what is missing and the way to it, or nothing."""
    if os.geteuid():
        return "the benchmark starts containers and must run as root"
    lacking = peers.missing()
    if lacking and options.install_peers:
        peers.install(lacking)
        lacking = peers.missing()
    if lacking:
        return f"not installed: {' '.join(lacking)}; say --install-peers, or: apt-get install --no-install-recommends {' '.join(lacking)}"
    if not options.peers_only:
        try:
            options.berth = peers.find_berth(options.berth, REPOSITORY)
        except CommandFailed as failure:
            return f"{failure}\nberth's launcher was not found; say --berth PATH, set $BERTH, or measure the peers alone: --peers-only"
    if "ansible_loop" in (options.names or measures.NAMES):
        peers.collections()
    return ""


def _outside(options: argparse.Namespace, arguments: list[str]) -> int:
    for place in host.abandoned(options.dir):
        host.demolish(place, _cgroups(place))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    with contextlib.ExitStack() as undo:
        place = undo.enter_context(host.place(options.dir))
        undo.callback(host.demolish, place, _cgroups(place))
        there = host.enter([sys.executable, sys.argv[0], *arguments, "--inside", str(place), "--berth", options.berth])
        undo.callback(there.wait)
        undo.callback(there.kill)
        return there.wait()


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _cgroups(place: Path) -> list[str]:
    """The engines' cgroups, from which theirs hang; ours takes its name from its root."""
    sys.path.append(str(REPOSITORY / "plugins" / "module_utils"))
    ours = importlib.import_module("_engine.paths").Paths(str(place / Berth.name))
    return [*(_cgroup(place, engine.name) for engine in (Docker, Podman)), ours.kernel_name("berth")]


def _cgroup(place: Path, name: str) -> str:
    return f"/{place.name}-{name}"


def _inside(options: argparse.Namespace) -> int:
    host.be_init()
    place: Path = options.inside
    if "ansible_loop" in (options.names or measures.NAMES):
        peers.lay_out(place / "collections", REPOSITORY)
    # Debian's programs, whatever else is installed.
    os.environ.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", HOME=str(place / "home"), TMPDIR=str(place))
    (place / "home").mkdir()
    host.furnish()
    engines: list[Engine] = [] if options.peers_only else [Berth(options.berth, place / Berth.name, "")]
    engines += [Docker("/usr/bin/docker", place / Docker.name, _cgroup(place, Docker.name))]
    engines += [Podman("/usr/bin/podman", place / Podman.name, _cgroup(place, Podman.name))]
    try:
        with contextlib.ExitStack() as undo:
            for engine in engines:
                undo.callback(engine.close)
                engine.start()
            rows = _measure(options, _set_up(options, engines))
            facts = _facts(engines)
    except CommandFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return FAILED
    sys.stdout.write(f"{_headline(facts)}\n{table(rows, [engine.name for engine in engines])}\n")
    if options.json:
        options.json.write_text(as_json(rows, facts))
    return MISSED if any(row.verdict() == "MISS" for row in rows) else 0


def _set_up(options: argparse.Namespace, engines: Sequence[Engine]) -> Bench:
    place: Path = options.inside
    _say("images")
    for image, write in ((BASE, payload.write_base), (BIG, payload.write_big)):
        tar = place / f"{image}.tar"
        write(tar)
        for engine in engines:
            engine.load(tar, image)
        tar.unlink()
    return Bench(engines, place, place / "collections", host.ADDRESS, host.OUTSIDE, options.quick, options.runs)


def _measure(options: argparse.Namespace, bench: Bench) -> list[Row]:
    rows: list[Row] = []
    for name in options.names or measures.NAMES:
        start = time.monotonic()
        rows += measures.measure(name, bench)
        _say(f"{name} {time.monotonic() - start:.0f} s")
    return rows


def _facts(engines: Sequence[Engine]) -> dict[str, Any]:
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kernel": platform.release(),
        "cpus": os.cpu_count(),
        "load": os.getloadavg(),
        "engines": {engine.name: engine.version() for engine in engines},
    }


def _headline(facts: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in facts["engines"].items())
    machine = f"Linux {facts['kernel']}, {facts['cpus']} CPUs, load {facts['load'][0]:.1f}"
    return f"{versions}; {machine}; value (min..max), ratio to the best peer\n"


def _say(words: str) -> None:
    sys.stderr.write(f"bench: {words}\n")
