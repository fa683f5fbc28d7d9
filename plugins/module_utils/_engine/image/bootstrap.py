# SPDX-License-Identifier: GPL-3.0-or-later
"""A base image out of nothing but the host's static busybox: the same bytes on every host that has the same busybox."""

from __future__ import annotations

import struct

from ..errors import MissingDependency, Refused
from ..storage import fingerprint, layers
from ..storage.entries import DIRECTORY, FILE, SYMLINK, Entry, pieces_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..storage.layers import Layer, Told
    from ..storage.limits import Limits
    from ..storage.staging import Staging

PLACES = ("/bin/busybox", "/usr/bin/busybox", "/usr/lib/busybox/busybox-static")
SEARCH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# A fixed date keeps the digest a function of busybox alone; 1970 would make make(1) and others warn.
_DATED = 1_767_225_600 * 1_000_000_000
_PT_INTERP = 3
_LARGEST = 64 << 20

_DIRECTORIES = {
    b"": 0o755, b"bin": 0o755, b"dev": 0o755, b"etc": 0o755, b"home": 0o755, b"lib": 0o755, b"mnt": 0o755, b"opt": 0o755,
    b"proc": 0o555, b"root": 0o700, b"run": 0o755, b"sbin": 0o755, b"srv": 0o755, b"sys": 0o555, b"tmp": 0o1777,
    b"usr": 0o755, b"usr/bin": 0o755, b"usr/lib": 0o755, b"usr/local": 0o755, b"usr/local/bin": 0o755, b"usr/sbin": 0o755,
    b"usr/share": 0o755, b"var": 0o755, b"var/cache": 0o755, b"var/lib": 0o755, b"var/log": 0o755, b"var/spool": 0o755,
    b"var/tmp": 0o1777,
}  # fmt: skip

_PASSWD = (
    b"root:x:0:0:root:/root:/bin/sh\n"
    b"daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
    b"bin:x:2:2:bin:/bin:/bin/false\n"
    b"www-data:x:33:33:www-data:/var/www:/bin/false\n"
    b"nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
)

_FILES = {
    b"etc/passwd": (0o644, _PASSWD),
    b"etc/group": (
        0o644,
        b"root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\nadm:x:4:\ntty:x:5:\ndisk:x:6:\nwww-data:x:33:\nusers:x:100:\nnogroup:x:65534:\n",
    ),
    b"etc/shadow": (0o600, b"root:*:::::::\ndaemon:*:::::::\nbin:*:::::::\nwww-data:*:::::::\nnobody:*:::::::\n"),
    b"etc/nsswitch.conf": (0o644, b"passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"),
    b"etc/profile": (
        0o644,
        b"export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nexport PS1='\\u@\\h:\\w\\$ '\numask 022\n",
    ),
    b"etc/shells": (0o644, b"/bin/sh\n/bin/ash\n"),
    # Places for the engine's own files to be mounted on.
    b"etc/hostname": (0o644, b""),
    b"etc/hosts": (0o644, b""),
    b"etc/resolv.conf": (0o644, b""),
}

_LINKS = {b"var/run": b"/run", b"var/lock": b"/run", b"usr/bin/env": b"/bin/busybox", b"etc/mtab": b"/proc/self/mounts"}


class Busybox:
    """`bootstrap: busybox`. MissingDependency names the package to install."""

    foretold, size = True, 0

    def __init__(self, places: tuple[str, ...] = PLACES) -> None:
        self.key = "bootstrap:busybox:1"
        self.defaults: dict[str, Any] = {"Cmd": ["/bin/sh"], "Env": [SEARCH]}
        self.warnings: list[str] = []
        self._path = _find(places)

    def fingerprint(self) -> str:
        with open(self._path, "rb") as file:
            return fingerprint.of_file(file.fileno())

    def layer(self, staging: Staging | None, limits: Limits, told: Told | None = None) -> Layer:
        with open(self._path, "rb") as file:
            binary = file.read(_LARGEST + 1)
        if len(binary) > _LARGEST:
            raise Refused(f"{self._path} has more than {_LARGEST} bytes: that is no busybox")
        return layers.from_entries(entries(binary, _applets(self._path)), staging=staging, told=told)


def entries(binary: bytes, applets: list[bytes]) -> Iterator[Entry]:
    """The whole tree, in the order of its paths."""
    tree = {path: Entry(path, DIRECTORY, mode=mode, mtime=_DATED) for path, mode in _DIRECTORIES.items()}
    for path, (mode, text) in {**_FILES, b"bin/busybox": (0o755, binary)}.items():
        tree[path] = Entry(path, FILE, mode=mode, mtime=_DATED, size=len(text), content=pieces_of(text))
    links = {b"bin/" + name: b"busybox" for name in applets if name != b"busybox"}
    for path, target in {**links, **_LINKS}.items():
        tree[path] = Entry(path, SYMLINK, mode=0o777, mtime=_DATED, link=target)
    return iter(tree[path] for path in sorted(tree))


def is_static(start: bytes) -> bool:
    """Whether the beginning of an ELF file asks for no dynamic loader."""
    if start[:4] != b"\x7fELF" or len(start) < 64 or start[5] not in (1, 2):
        return False
    order, wide = "<" if start[5] == 1 else ">", start[4] == 2
    offset = struct.unpack_from(order + ("Q" if wide else "I"), start, 32 if wide else 28)[0]
    size, count = struct.unpack_from(order + "HH", start, 54 if wide else 42)
    headers = [offset + index * size for index in range(count)]
    if not headers or headers[-1] + 4 > len(start):
        return False
    return all(struct.unpack_from(order + "I", start, at)[0] != _PT_INTERP for at in headers)


def _find(places: tuple[str, ...]) -> str:
    dynamic = ""
    for path in places:
        try:
            with open(path, "rb") as file:
                if is_static(file.read(65536)):
                    return path
        except OSError:
            continue
        dynamic = path
    what = f"{dynamic} is linked dynamically" if dynamic else "this host has no busybox"
    raise MissingDependency(f"{what}: bootstrap needs a static one, install the package busybox-static")


def _applets(path: str) -> list[bytes]:
    import subprocess

    try:
        listed = subprocess.run([path, "--list"], capture_output=True, check=True, timeout=10, env={}, cwd="/").stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingDependency(
            f"{path} --list gives no list of programs ({error}): reinstall the package busybox-static"
        ) from None
    names = sorted(
        {line for line in listed.split(b"\n") if line and b"/" not in line and not line.startswith((b".", b"-"))}
    )
    if b"sh" not in names:
        raise MissingDependency(f"{path} has no sh: install the package busybox-static")
    return names
