# SPDX-License-Identifier: GPL-3.0-or-later
"""A stock Debian on a disk that QEMU can boot: built from the distribution's own packages, then kept for as long as it is the same."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
from typing import NamedTuple

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "berth" / "vm"
MIRROR = os.environ.get("BERTH_VM_MIRROR", "http://deb.debian.org/debian")
SIZE = "6G"
PACKAGES = (
    "apparmor busybox-static ca-certificates dbus initramfs-tools iproute2 kmod libpam-systemd linux-image-cloud-amd64 nftables "
    "openssh-server procps python3 python3-venv systemd systemd-sysv udev"
)
# An initial disk that has what this machine's real one needs, instead of what any could.
BEFORE = {
    "etc/initramfs-tools/conf.d/small": "MODULES=list\nCOMPRESS=gzip\n",
    "usr/share/initramfs-tools/modules.d/small": "virtio_pci\nvirtio_blk\next4\n",
}
FILES = {
    "etc/hostname": "{suite}\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 {suite}\n",
    "etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
    # QEMU's user network: the address and the resolver are always these.
    "etc/systemd/network/10-user.network": "[Match]\nName=en*\n\n[Network]\nDHCP=ipv4\n",
    "etc/resolv.conf": "nameserver 10.0.2.3\n",
}
# A boot waits for nothing but ssh: to compile a hundred profiles takes an emulated processor ten seconds.
UNITS = (
    "enable systemd-networkd ssh",
    "mask systemd-networkd-wait-online apparmor e2scrub_reap getty@tty1 serial-getty@ttyS0",
)


class Image(NamedTuple):
    """What QEMU and ssh need; the disk is never written to."""

    disk: pathlib.Path
    kernel: pathlib.Path
    initrd: pathlib.Path
    key: pathlib.Path


def build(suite: str) -> Image:
    """The image of Debian `suite`, made if it is not there yet: less than a minute, root, and half a gigabyte below the cache."""
    home = CACHE / f"{suite}-{_digest(suite)}"
    image = Image(home / "disk", home / "vmlinuz", home / "initrd", home / "key")
    if not image.disk.exists():
        staging = CACHE / f"staging-{os.getpid()}"
        staging.mkdir(parents=True)
        try:
            _bootstrap(suite, staging)
            for older in CACHE.glob(f"{suite}-*"):
                shutil.rmtree(older)
            staging.rename(home)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return image


def _digest(suite: str) -> str:
    """Of all that an image is made of: this file and who carries it out, and where the packages are from."""
    version = subprocess.run(["mmdebstrap", "--version"], capture_output=True, check=True).stdout
    parts = (pathlib.Path(__file__).read_bytes(), version, suite.encode(), MIRROR.encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _bootstrap(suite: str, home: pathlib.Path) -> None:
    tree = home / "tree"
    _write(home / "before", BEFORE, suite)
    command = [
        "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES.split())}", "--dpkgopt=force-unsafe-io",
        f"--setup-hook=copy-in {home}/before/etc {home}/before/usr /",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "locale", "man")),
        *(f'--customize-hook=chroot "$1" systemctl --quiet {units}' for units in UNITS),
        # The first boot need not bring up to date what has just been made.
        '--customize-hook=touch -r "$1/usr" "$1/etc/.updated" "$1/var/.updated"', suite, str(tree), MIRROR,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    shutil.rmtree(home / "before")
    _write(tree, FILES, suite)
    _admit(tree, home / "key")
    for name in ("vmlinuz", "initrd"):
        (found,) = tree.glob(f"boot/{name}*-amd64")
        shutil.copyfile(found, home / name)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, home / "disk", SIZE], check=True)
    shutil.rmtree(tree)


def _write(tree: pathlib.Path, files: dict[str, str], suite: str) -> None:
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text.format(suite=suite))


def _admit(tree: pathlib.Path, key: pathlib.Path) -> None:
    """Let root in by a key made for this image alone."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "berth tests", "-f", key], check=True)
    keys = tree / "root/.ssh/authorized_keys"
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.copyfile(f"{key}.pub", keys)
