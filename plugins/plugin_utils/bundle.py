# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine as it travels: one deterministic tar of the engine and the pure-Python packages it needs, named by its content."""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.util
import io
import os
import tarfile

from ansible.errors import AnsibleError

from ..module_utils._ansible.delivery import LAUNCHER, OCI_LAUNCHER, content_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "module_utils", "_engine")
PACKAGES = ("pyroute2", "urllib3")
_LEAST = {"urllib3": 2}  # major versions that the engine is written for

# Appended, not put first: the standard library is then found without a look into the engine's directory.
_LAUNCHER = b"""\
import os
import sys

home = os.path.dirname(os.path.realpath(__file__))
sys.path.append(home)
from berth_engine import packed

packed.install(home)
if sys.argv[1:] == ["api"]:
    from berth_engine.api import main

    status = main()
else:
    from berth_engine.cli import main

    status = main(sys.argv[1:])
# What is still to be torn down is the kernel's business: 2 ms less a command.
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)
"""


_OCI_LAUNCHER = b"""\
import os
import sys

home = os.path.dirname(os.path.realpath(__file__))
sys.path.append(home)
from berth_engine import packed

packed.install(home)
from berth_engine.cli.commands.oci import main

status = main(sys.argv[1:])
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)
"""


def collect(engine: str = ENGINE, packages: tuple[str, ...] = PACKAGES) -> dict[str, bytes]:
    """Every file of the bundle by its path in it. AnsibleError when the controller lacks a package."""
    files = {LAUNCHER: _LAUNCHER, OCI_LAUNCHER: _OCI_LAUNCHER}
    for name, directory in [("berth_engine", engine), *((package, _home(package)) for package in packages)]:
        for path in _sources(directory):
            with open(path, "rb") as file:
                files[f"{name}/{os.path.relpath(path, directory)}"] = file.read()
    return files


def _home(package: str) -> str:
    """Where a package of the controller's own Python lies; it is not imported."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise AnsibleError(
            f"berth.containers needs the Python package {package} on the controller: pip install {package}"
        )
    if package in _LEAST:
        _check_version(package, _LEAST[package])
    return found.submodule_search_locations[0]


def _check_version(package: str, least: int) -> None:
    """AnsibleError when it is too old; one that came without metadata does not say."""
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return
    if int(version.partition(".")[0]) < least:
        raise AnsibleError(
            f"berth.containers needs {package} {least} or later on the controller, and there is {version}: "
            f"pip install '{package}>={least}'"
        )


def _sources(directory: str) -> Iterator[str]:
    for folder, _below, names in os.walk(directory):
        yield from (os.path.join(folder, name) for name in names if name.endswith(".py"))


def pack(files: dict[str, bytes]) -> bytes:
    """A tar.gz of `files` that is the same for the same files."""
    target = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=target, mode="wb", compresslevel=6, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path, data in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return target.getvalue()


def pinned_digest(cache: str) -> str:
    """The engine's digest, computed once for a run of Ansible: `cache` is the directory that lives as long as that."""
    marker = os.path.join(cache, "berth-engine-digest")
    try:
        with open(marker, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        digest = content_digest(collect().items())
        _replace(marker, digest.encode())
        return digest


def packed(cache: str, digest: str) -> str:
    """The path of the tar for `digest`, packed on first use by this run of Ansible."""
    path = os.path.join(cache, f"berth-engine-{digest}.tar.gz")
    if not os.path.exists(path):
        files = collect()
        if content_digest(files.items()) != digest:
            raise AnsibleError("the engine's files on the controller changed while Ansible ran: run it again")
        _replace(path, pack(files))
    return path


def _replace(path: str, data: bytes) -> None:
    scratch = f"{path}.{os.getpid()}"
    with open(scratch, "wb") as file:
        file.write(data)
    os.replace(scratch, path)
