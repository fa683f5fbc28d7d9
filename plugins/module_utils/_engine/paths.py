# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything lies: one object holds the root of the state and of the run-time files, nothing else builds such paths."""

from __future__ import annotations

import os

DEFAULT_ROOT = "/var/lib/berth"


class Paths:
    """`root` keeps what lasts, `run` what a reboot may take. Roots other than the default have names of their own in the
    kernel (bridge, nft table, cgroup), so that two roots on one host never meet: `tag` is "" or eight hexadecimal digits."""

    __slots__ = ("root", "run", "tag")

    def __init__(self, root: str | None = None) -> None:
        self.root = os.path.abspath(root or os.environ.get("BERTH_ROOT") or DEFAULT_ROOT)
        self.tag = "" if self.root == DEFAULT_ROOT else _fingerprint(self.root)
        self.run = f"/run/berth{'-' + self.tag if self.tag else ''}"

    @property
    def layers(self) -> str:
        return f"{self.root}/layers"

    @property
    def blobs(self) -> str:
        return f"{self.root}/blobs/sha256"

    @property
    def skeletons(self) -> str:
        return f"{self.root}/skeletons"

    @property
    def staging(self) -> str:
        return f"{self.root}/staging"

    @property
    def containers(self) -> str:
        return f"{self.root}/containers"

    @property
    def replacing(self) -> str:
        return f"{self.root}/replacing"

    @property
    def names(self) -> str:
        return f"{self.root}/names"

    @property
    def networks(self) -> str:
        return f"{self.root}/networks"

    @property
    def volumes(self) -> str:
        return f"{self.root}/volumes"

    @property
    def leases(self) -> str:
        return f"{self.root}/leases"

    @property
    def locks(self) -> str:
        return f"{self.run}/locks"

    @property
    def cgroup(self) -> str:
        """The group above all containers, in every hierarchy."""
        return self.kernel_name("berth")

    def container(self, ident: str) -> str:
        """The lasting directory of one container: record.json bundle/ upper/ work/ logs/."""
        return f"{self.root}/containers/{ident}"

    def container_run(self, ident: str) -> str:
        """The run-time directory of one container: state.json control.sock."""
        return f"{self.run}/containers/{ident}"

    def kernel_name(self, base: str, longest: int = 255) -> str:
        """`base` for the default root, else `base` with the root's tag: berth, berth-1a2b3c4d; cut to fit an interface name."""
        if not self.tag:
            return base
        return f"{base}-{self.tag}" if longest >= len(base) + 9 else f"{base[: longest - 8]}{self.tag}"

    def prepare(self) -> None:
        """Make the directories that everything else assumes, private to root (CVE-2021-41091)."""
        for path in (self.root, self.run):
            os.makedirs(path, mode=0o700, exist_ok=True)
        names = "containers replacing names layers blobs staging networks volumes leases"
        for path in (getattr(self, name) for name in names.split()):
            os.makedirs(path, mode=0o700, exist_ok=True)
        os.makedirs(self.locks, mode=0o700, exist_ok=True)
        os.makedirs(f"{self.run}/containers", mode=0o700, exist_ok=True)


def _fingerprint(text: str) -> str:
    """FNV-1a, 32 bits: hashlib costs 3 ms at start and nothing here is secret."""
    value = 0x811C9DC5
    for byte in os.fsencode(text):
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"{value:08x}"
