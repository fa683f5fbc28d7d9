# SPDX-License-Identifier: GPL-3.0-or-later
"""The root file systems that all engines import: a small one from Debian's busybox-static and iperf3, and a big one."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from pathlib import Path

BIG_FILES = 3000
BIG_FILE_SIZE = 100 * 1024


def write_base(path: Path) -> None:
    """busybox with its applets, iperf3 with its libraries."""
    with tarfile.open(path, "w") as tar:
        _add_base(tar)


def write_big(path: Path) -> None:
    """The base and 300 MB in 3,000 files that don't compress."""
    with tarfile.open(path, "w") as tar:
        _add_base(tar)
        add_files(tar, "srv/big", BIG_FILES, BIG_FILE_SIZE)


def write_tree(path: Path, files: int, size: int) -> None:
    """So many files of random content and nothing else; no two calls give the same."""
    with tarfile.open(path, "w") as tar:
        add_files(tar, "srv/tree", files, size)


def add_files(tar: tarfile.TarFile, top: str, files: int, size: int) -> None:
    for number in range(files):
        if number % 100 == 0:
            _add_directory(tar, f"{top}/{number // 100:03}")
        _add_file(tar, f"{top}/{number // 100:03}/{number % 100:02}", os.urandom(size), 0o644)


def _add_base(tar: tarfile.TarFile) -> None:
    for directory in ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "usr/bin", "var"):
        _add_directory(tar, directory)
    busybox = _find("busybox")
    _add_file(tar, "bin/busybox", busybox.read_bytes(), 0o755)
    for applet in subprocess.run([busybox, "--list"], capture_output=True, check=True, text=True).stdout.split():
        if applet != "busybox":
            _add_link(tar, f"bin/{applet}", "busybox")
    iperf = _find("iperf3")
    _add_file(tar, "usr/bin/iperf3", iperf.read_bytes(), 0o755)
    for library in _libraries(iperf):
        _add_file(tar, library.lstrip("/"), Path(library).read_bytes(), 0o755)
    _add_file(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
    _add_file(tar, "etc/group", b"root:x:0:\n", 0o644)


def _find(program: str) -> Path:
    for directory in ("/bin", "/usr/bin"):
        path = Path(directory, program)
        if path.exists():
            return path
    raise FileNotFoundError(program)


def _libraries(program: Path) -> list[str]:
    listing = subprocess.run(["ldd", program], capture_output=True, check=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", listing)


def _add_directory(tar: tarfile.TarFile, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
    tar.addfile(entry)


def _add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def _add_file(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
