# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names a network's containers answer to. A name is a symbolic link in one directory: the DNS responders read it there."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..paths import Paths


def names_dir(paths: Paths, network: str) -> str:
    """The directory of a network's names; each link is called as the name in lower case and leads to the address."""
    return f"{paths.run}/networks/{network}/names"


def enter(directory: str, address: str, own: tuple[str, ...], shared: str, in_use: Callable[[str], bool]) -> None:
    """Make `address` known by its `own` names (nobody else can have them) and by `shared` when no address in use has it."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    for name in own:
        _point(directory, name, address)
    _point(directory, reverse(address), own[0].lower())
    held = look_up(directory, shared)
    if shared and held != address and (not held or not in_use(held)):
        _point(directory, shared, address)


def leave(directory: str, address: str, names: tuple[str, ...]) -> None:
    """Forget the names that lead to `address`. Idempotent."""
    for name in names:
        if look_up(directory, name) == address:
            _unlink(f"{directory}/{name.lower()}")
    _unlink(f"{directory}/{reverse(address)}")


def look_up(directory: str, name: str) -> str:
    """The address that `name` leads to, or ""."""
    try:
        return os.readlink(f"{directory}/{name.lower()}")
    except OSError:
        return ""


def reverse(address: str) -> str:
    """What the way back from an address to its name is called: no container's name can begin with @."""
    return f"@{address}"


def _point(directory: str, name: str, target: str) -> None:
    path = f"{directory}/{name.lower()}"
    try:
        os.symlink(target, path)
    except FileExistsError:
        scratch = f"{directory}/@new-{os.getpid()}"
        _unlink(scratch)
        os.symlink(target, scratch)
        os.rename(scratch, path)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
