# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom we are compared with: what must be installed, and how the harness can install it itself."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from .command import run

PACKAGES = {
    "/usr/bin/docker": "docker.io",
    "/usr/sbin/dockerd": "docker.io",
    "/usr/bin/podman": "podman",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/sbin/runc": "runc",
    "/usr/sbin/iptables": "iptables",
    "/usr/bin/iperf3": "iperf3",
    "/usr/bin/docker-registry": "docker-registry",
    "/usr/bin/skopeo": "skopeo",
    "/bin/busybox": "busybox-static",
    "/sbin/ip": "iproute2",
}
COLLECTIONS = ("community/docker", "community/library_inventory_filtering_v1", "containers/podman")
POLICY = Path("/usr/sbin/policy-rc.d")


def missing() -> list[str]:
    """Debian packages that are not there, by the programs that they bring."""
    return sorted({package for path, package in PACKAGES.items() if not os.path.exists(path)})


def install(packages: list[str]) -> None:
    """With apt, and without starting any daemon of theirs."""
    with _no_services():
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], check=True, env=environment)
        words = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
        subprocess.run(words, check=True, env=environment)


def collections() -> Path:
    """A directory with the peers' Ansible collections and the Python packages they import, fetched from PyPI once and kept in
    the user's cache: `ansible_collections/` and `python/`. The release of them is the one that goes with our ansible-core."""
    minor = int(metadata.version("ansible-core").split(".")[1])
    release = minor - 7  # ansible 12 is what ansible-core 2.19 comes in
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "berth-benchmarks" / f"ansible-{release}"
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.parent) as half_made:
            _fetch(release, Path(half_made))
            os.rename(Path(half_made) / "ready", cache)
    return cache


def lay_out(place: Path, repository: Path) -> None:
    """A collections path, by links, with the peers' collections and ours from the checkout; `python/` beside it."""
    cache = collections()
    for name in COLLECTIONS:
        _link(place / "ansible_collections" / name, cache / "ansible_collections" / name)
    _link(place / "ansible_collections" / "berth" / "containers", repository)
    _link(place / "python", cache / "python")


def _link(place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def _fetch(release: int, place: Path) -> None:
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "download", "--no-deps", "-d", str(place), f"ansible=={release}.*"], check=True)
    subprocess.run([*pip, "install", "--target", str(place / "ready" / "python"), "requests"], check=True)
    (wheel,) = place.glob("ansible-*.whl")
    wanted = tuple(f"ansible_collections/{name}/" for name in COLLECTIONS)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "ready", [name for name in archive.namelist() if name.startswith(wanted)])


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def find_berth(given: str, repository: Path) -> str:
    """The launcher: the one given, else $BERTH, else that of the checkout. CommandFailed when the checkout has none to give."""
    named = given or os.environ.get("BERTH", "")
    if not named:
        named = run([sys.executable, str(repository / ".ci" / "berth.py"), "--path"])
    return os.path.abspath(named)
