# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engine lies on a host and how a bundle becomes one: whole, byte-compiled and renamed into place, or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_ROOT = "/var/lib/berth"
LAUNCHER = "launcher.py"
PROGRAM = "berth"
OCI_LAUNCHER = "oci_launcher.py"
OCI_PROGRAM = "berth-oci"

_STAGING = ".new-"
_PATIENCE = 120.0
_LARGEST = 64 << 20
_SHEBANG = 115


class DeliveryError(Exception):
    """One sentence that says why the bundle did not become an engine."""


def engine_home(root: str | None) -> str:
    """The directory of all engines below the state's root: the option, else $BERTH_ROOT, else /var/lib/berth."""
    return os.path.join(os.path.abspath(root or os.environ.get("BERTH_ROOT") or DEFAULT_ROOT), "engine")


def private(root: str, name: str) -> str:
    """The directory `name` below the state's root; both are made, for root alone, where they are missing."""
    path = os.path.join(root, name)
    for directory in (root, path):
        os.makedirs(directory, mode=0o700, exist_ok=True)
    return path


def program(home: str, digest: str) -> str:
    """The path of an engine's program, which is the last thing written before the engine gets its name."""
    return f"{home}/{digest}/{PROGRAM}"


def content_digest(files: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 over sorted (path, bytes), each with its length in front so that no two trees read alike."""
    import hashlib

    total = hashlib.sha256()
    for path, data in sorted(files):
        name = path.encode()
        total.update(b"%d:%d:" % (len(name), len(data)))
        total.update(name)
        total.update(data)
    return total.hexdigest()


def install(bundle: str, home: str, digest: str) -> bool:
    """Make `home/digest` from the tar at `bundle`; False when it is there already. Atomic, and safe against a second one.

    Whoever holds the lock is the only one who writes, so any staging directory that it finds is a dead one's.
    """
    private(os.path.dirname(home), os.path.basename(home))
    with open(f"{home}/.lock", "ab") as lock:
        _wait_for(lock.fileno(), home)
        _sweep(home)
        if os.path.exists(program(home, digest)):
            return False
        staging = f"{home}/{_STAGING}{os.getpid()}"
        try:
            os.mkdir(staging, 0o755)
            _unpack(bundle, staging)
            _verify(staging, digest)
            _finish(staging, home, digest)
        except OSError as error:
            raise DeliveryError(f"cannot install the engine below {home}: {error.strerror or error}") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return True


def _wait_for(descriptor: int, home: str) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise DeliveryError(
                    f"another delivery has held {home}/.lock for {_PATIENCE:.0f} s: see who it is"
                ) from None
            time.sleep(0.05)


def _sweep(home: str) -> None:
    for name in os.listdir(home):
        if name.startswith(_STAGING):
            shutil.rmtree(f"{home}/{name}")


def _unpack(bundle: str, staging: str) -> None:
    """Write the regular files of the tar; anything else in it, or a path that leaves `staging`, is refused."""
    import tarfile
    import zlib

    left = _LARGEST
    try:
        with tarfile.open(bundle, "r|gz") as archive:
            for member in archive:
                left -= member.size
                data = archive.extractfile(member) if member.isreg() else None
                if data is None or left < 0 or not _is_inner(member.name):
                    raise DeliveryError(
                        f"the engine bundle holds {member.name!a}, which no bundle of ours has: nothing was installed"
                    )
                _write(f"{staging}/{member.name}", data.read(), 0o644)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DeliveryError(f"the engine bundle arrived damaged ({error}): run the task again") from error


def _is_inner(name: str) -> bool:
    return all(part not in ("", ".", "..") for part in name.split("/"))


def _write(path: str, data: bytes, mode: int) -> None:
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        file.write(data)


def _sources(directory: str) -> list[str]:
    return [f"{folder}/{name}" for folder, _below, names in os.walk(directory) for name in names]


def _verify(staging: str, digest: str) -> None:
    """Read back what was written: the digest is of the files on this host, not of what was sent."""
    found: list[tuple[str, bytes]] = []
    for path in _sources(staging):
        with open(path, "rb") as file:
            found.append((os.path.relpath(path, staging), file.read()))
    actual = content_digest(found)
    if actual != digest:
        raise DeliveryError(
            f"the engine that arrived has digest {actual[:12]} and not {digest[:12]}: run the task again"
        )


def _finish(staging: str, home: str, digest: str) -> None:
    _compile(staging, f"{home}/{digest}")
    launchers = ((OCI_LAUNCHER, OCI_PROGRAM), (LAUNCHER, PROGRAM))
    for source, name in (pair for pair in launchers if pair[0] == LAUNCHER or os.path.exists(f"{staging}/{pair[0]}")):
        with open(f"{staging}/{source}", "rb") as file:
            _write(f"{staging}/{name}", shebang(sys.executable).encode() + file.read(), 0o755)
        os.chmod(f"{staging}/{name}", 0o755)
    _flush(staging)
    # A directory of this name without its program is no engine: only a hand can have left it.
    shutil.rmtree(f"{home}/{digest}", ignore_errors=True)
    os.rename(staging, f"{home}/{digest}")
    _flush(home)


def shebang(python: str) -> str:
    """The first lines of a script that `python` runs isolated, in UTF-8 (which also starts faster) and without site-packages."""
    if len(python) <= _SHEBANG and not set(python) & set(" \t"):
        return f"#!{python} -ISXutf8\n"
    quoted = python.replace("'", "'\"'\"'")
    return f"#!/bin/sh\n''':'\nexec '{quoted}' -ISXutf8 \"$0\" \"$@\"\n'''\n"


def _compile(staging: str, final: str) -> None:
    """Unchecked: the directory is named by its content, so a source never changes under its compiled form."""
    import py_compile

    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for path in _sources(staging):
        if path.endswith(".py"):
            shown = path.replace(staging, final, 1)
            py_compile.compile(path, dfile=shown, doraise=False, quiet=2, invalidation_mode=mode)
    _pack(staging, final)


_PACKING = """
import sys
sys.dont_write_bytecode = True
sys.path.append(sys.argv[1])
from berth_engine.packing import write
write(*sys.argv[1:])
"""


def _pack(staging: str, final: str) -> None:
    """The engine knows itself how its modules go into one file; without columns in tracebacks, which nobody here looks at."""
    import subprocess

    words = [sys.executable, "-I", "-S", "-X", "no_debug_ranges", "-c", _PACKING, staging, os.path.realpath(final)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False)
    if done.returncode:
        last = os.fsdecode(done.stderr).strip().rpartition("\n")[2]
        raise DeliveryError(f"the engine below {staging} can't be read by {sys.executable}: {last}")


def _flush(directory: str) -> None:
    """syncfs(2): one flush for some hundred files, where an fsync each takes ten times as long."""
    import ctypes

    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)
