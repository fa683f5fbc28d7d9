# SPDX-License-Identifier: GPL-3.0-or-later
"""Which system calls a container may make: from the user's words to config.json's linux.seccomp, and from that to the kernel's program.

A start that was made before on this host reads its program from a file; what parses and compiles is imported for others only.
"""

from __future__ import annotations

import os

from ... import jsontext
from ...digests import light_sha256
from ...errors import Unsupported
from ...kernel.seccomp import FLAG_NEW_LISTENER
from ...records import write_file
from ...values import Value
from ...version import VERSION
from . import default

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A change of the compiler's output needs another number.
_COMPILER = 1
# os.uname().machine to the architectures whose calls such a kernel takes, its own first.
_FAMILIES = {
    "x86_64": ("X86_64", "X86", "X32"),
    "aarch64": ("AARCH64", "ARM"),
    "i686": ("X86",),
    "armv7l": ("ARM",),
}
_SEAL = 32


class Program(Value):
    """`code` is an array of struct sock_filter, `flags` are SECCOMP_FILTER_FLAG_* of seccomp(2).

    With calls that are asked about, `listener` is the path of the socket that their descriptor is sent to, and `metadata`
    goes with it; else both are empty.
    """

    code: bytes
    flags: int = 0
    listener: str = ""
    metadata: str = ""


def resolve(
    security_opts: tuple[str, ...], held: tuple[str, ...], *, privileged: bool, unseen_sockets: bool = False
) -> dict[str, Any] | None:
    """config.json's linux.seccomp for a container that may hold the capabilities `held` (CHOWN); None without a filter.

    `security_opts` are NAME=VALUE; seccomp= takes unconfined, default (or builtin), default-32bit, or the path of a profile on
    this host in the form of Docker's or of the specification. The last one counts. InvalidSpec when it is none.
    `unseen_sockets` makes the default what default-32bit is.
    """
    said = [item[len("seccomp=") :] for item in security_opts if item.startswith("seccomp=")]
    word = said[-1] if said else "unconfined" if privileged else "default"
    if word == "unconfined":
        return None
    if word in ("default", "builtin"):
        return default.profile(held, family(), unseen_sockets=unseen_sockets)
    if word == "default-32bit":
        return default.profile(held, family(), unseen_sockets=True)
    from . import profile

    return profile.read(word, held, family(), os.uname().release)


def compiled(directory: str, seccomp: dict[str, Any]) -> Program:
    """The program of a linux.seccomp, kept in `directory` by the digest of all that it depends on.

    What is there and not whole is made again. InvalidSpec names what the specification does not allow.
    """
    flags, code = _cached(directory, seccomp)
    asks = _asks(flags)
    return Program(
        code=code,
        flags=flags,
        listener=str(seccomp.get("listenerPath") or "") if asks else "",
        metadata=str(seccomp.get("listenerMetadata") or "") if asks else "",
    )


def _asks(flags: int) -> bool:
    return bool(flags & FLAG_NEW_LISTENER)


def family() -> tuple[str, ...]:
    """The architectures of this kernel's system calls as libseccomp names them, its own first."""
    machine = os.uname().machine
    if machine not in _FAMILIES:
        raise Unsupported(
            f"there are no system call tables for {machine}: security_opts seccomp=unconfined does without a filter"
        )
    return _FAMILIES[machine]


def _cached(directory: str, seccomp: dict[str, Any]) -> tuple[int, bytes]:
    text = f"{VERSION} {_COMPILER} {os.uname().machine} {jsontext.dumps(seccomp)}"
    path = f"{directory}/{light_sha256(text.encode()).hexdigest()}"
    found = _read(path)
    if found is None:
        from . import bpf, filters

        flags, code = bpf.compile_filter(filters.parse(seccomp, family()))
        found = flags.to_bytes(4, "little") + code
        os.makedirs(directory, mode=0o700, exist_ok=True)
        write_file(path, light_sha256(found).digest() + found, durable=False)
    return int.from_bytes(found[:4], "little"), found[4:]


def _read(path: str) -> bytes | None:
    """What a file holds after its digest; None when it is not there or not whole."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    with open(fd, "rb") as file:
        data = file.read()
    whole = len(data) > _SEAL + 4 and light_sha256(data[_SEAL:]).digest() == data[:_SEAL]
    return data[_SEAL:] if whole else None
