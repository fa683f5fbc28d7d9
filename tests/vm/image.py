# SPDX-License-Identifier: GPL-3.0-or-later
"""A stock Debian on a disk that QEMU can boot: built once per suite from the distribution's own packages, then kept."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
from typing import NamedTuple

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "berth" / "vm"
MIRROR = os.environ.get("BERTH_VM_MIRROR", "http://deb.debian.org/debian")
SIZE = "6G"
PACKAGES = (
    "busybox-static ca-certificates dbus git initramfs-tools iproute2 kmod libpam-systemd linux-image-cloud-amd64 nftables "
    "openssh-server procps python3 python3-venv systemd systemd-sysv udev"
)
FILES = {
    "etc/hostname": "{suite}\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 {suite}\n",
    "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
    # QEMU's user network: the address and the resolver are always these.
    "etc/systemd/network/10-user.network": "[Match]\nName=en*\n\n[Network]\nDHCP=ipv4\n",
    "etc/resolv.conf": "nameserver 10.0.2.3\n",
}
# A boot waits for nothing but ssh.
UNITS = ("enable systemd-networkd ssh", "mask systemd-networkd-wait-online")


class Image(NamedTuple):
    """What QEMU and ssh need; the disk is never written to."""

    disk: pathlib.Path
    kernel: pathlib.Path
    initrd: pathlib.Path
    key: pathlib.Path


def build(suite: str) -> Image:
    """The image of Debian `suite`, made if it is not there yet: some two minutes, root, and 1 GB below the cache."""
    home = CACHE / suite
    image = Image(home / "disk", home / "vmlinuz", home / "initrd", home / "key")
    if not image.disk.exists():
        staging = CACHE / f"{suite}.{os.getpid()}"
        staging.mkdir(parents=True)
        try:
            _bootstrap(suite, staging)
            shutil.rmtree(home, ignore_errors=True)
            staging.rename(home)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return image


def _bootstrap(suite: str, home: pathlib.Path) -> None:
    tree = home / "tree"
    command = [
        "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES.split())}",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "locale", "man")),
        *(f'--customize-hook=chroot "$1" systemctl --quiet {units}' for units in UNITS), suite, str(tree), MIRROR,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    for name, text in FILES.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text.format(suite=suite))
    _admit(tree, home / "key")
    for name in ("vmlinuz", "initrd"):
        (found,) = tree.glob(f"boot/{name}*-amd64")
        shutil.copyfile(found, home / name)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, home / "disk", SIZE], check=True)
    shutil.rmtree(tree)


def _admit(tree: pathlib.Path, key: pathlib.Path) -> None:
    """Let root in by a key made for this image alone."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "berth tests", "-f", key], check=True)
    keys = tree / "root/.ssh/authorized_keys"
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.copyfile(f"{key}.pub", keys)
