# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernel parameters a container may set: those that belong to a namespace of its own, and no other (namespaces(7))."""

from __future__ import annotations

from ..errors import InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .spec import Spec

_IPC = (
    "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
    "kernel.shm_rmid_forced",
)  # fmt: skip
_UTS = ("kernel.domainname",)
_WORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_OWN_NETWORK = ("bridge", "none")


def check_words(option: str, pairs: dict[str, str]) -> dict[str, str]:
    """The same pairs, once no name leads elsewhere and no value is more than one (CVE-2022-0811)."""
    for name, value in pairs.items():
        parts = name.split(".")
        if len(parts) < 2 or not all(part and _WORD.issuperset(part) for part in parts):
            raise InvalidSpec(f"{option}: {name!a} is no name of a parameter: write one such as net.core.somaxconn")
        if not value or "+" in value or not value.replace("\t", " ").isprintable():
            raise InvalidSpec(f"{option}: {name}: {value!a} is not usable: write one line without a plus sign")
    return pairs


def check_namespaces(spec: Spec) -> None:
    """InvalidSpec for a parameter of the whole host, or of a namespace that others have, too."""
    for name in spec.sysctls:
        if name == "kernel.hostname":
            raise InvalidSpec("sysctls: kernel.hostname has an option of its own: use hostname")
        option, mode, own = _owner(spec, name)
        if not own:
            raise InvalidSpec(
                f"sysctls: {name} belongs to others as well with {option} {mode}: use a namespace of the container's own"
            )


def _owner(spec: Spec, name: str) -> tuple[str, str, bool]:
    """The option that decides about the parameter's namespace, what it is, and whether the container has its own."""
    if name.startswith("net."):
        return "network_mode", spec.network_mode, spec.network_mode in _OWN_NETWORK
    if name in _IPC or name.startswith("fs.mqueue."):
        return "ipc_mode", spec.ipc_mode, spec.ipc_mode in ("private", "shareable", "none")
    if name in _UTS:
        return "uts_mode", spec.uts_mode, spec.uts_mode == "private"
    raise InvalidSpec(
        f"sysctls: {name} is one for the whole host: only net.*, fs.mqueue.* and the System V limits of kernel.* are a container's"
    )
