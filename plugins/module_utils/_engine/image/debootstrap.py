# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian base image by the host's debootstrap program: made once for the same suite, mirror, packages and variant."""

from __future__ import annotations

import contextlib
import os
import stat

from ..digests import sha256
from ..errors import EngineError, InvalidSpec, MissingDependency
from ..kernel.mounts import mount
from ..kernel.process import NEWNS, die_with_parent, unshare
from ..values import Value
from .sources import Directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..paths import Paths
    from ..storage.layers import Layer, Told
    from ..storage.limits import Limits
    from ..storage.staging import Staging

_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_VARIANTS = ("minbase", "buildd", "fakechroot", "standard")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-")
_REC, _PRIVATE = 0x4000, 1 << 18
# What says when and where it was made, or is fetched again anyway.
_EMPTIED = ("var/cache/apt/archives", "var/lib/apt/lists", "var/log", "tmp", "var/tmp")
_BLANK = ("etc/hostname", "etc/resolv.conf", "etc/machine-id")


class Options(Value):
    """What is asked of debootstrap. `mirror` is "" for the program's own."""

    suite: str
    mirror: str = ""
    packages: tuple[str, ...] = ()
    variant: str = "minbase"


def read_options(params: dict[str, Any]) -> Options:
    """InvalidSpec for what no debootstrap understands, or would take for an option of its own."""
    suite, mirror, variant = params.get("suite"), params.get("mirror") or "", params.get("variant") or "minbase"
    packages = params.get("packages") or []
    if not isinstance(suite, str) or not _is_word(suite):
        raise InvalidSpec(f"suite: {suite!a} is none: bootstrap: debootstrap needs one, such as trixie")
    if not isinstance(mirror, str) or (mirror and not mirror.startswith(("http://", "https://", "file:///"))):
        raise InvalidSpec(f"mirror: {mirror!a} is no URL: begin with http://, https:// or file:///")
    if variant not in _VARIANTS:
        raise InvalidSpec(f"variant: {variant!a} is none of {', '.join(_VARIANTS)}")
    if not isinstance(packages, list) or not all(isinstance(item, str) and _is_word(item) for item in packages):
        raise InvalidSpec(f"packages: {packages!a} is no list of names of packages")
    return Options(suite=suite, mirror=mirror, packages=tuple(sorted(set(packages))), variant=variant)


def _is_word(text: str) -> bool:
    return bool(text) and text[0] not in "-+." and _WORD.issuperset(text)


class Debootstrap:
    """`bootstrap: debootstrap`. What it will make is not known before it is made, so that check mode tells no digest."""

    foretold, size = False, 0

    def __init__(self, paths: Paths, options: Options) -> None:
        self.key = f"bootstrap:debootstrap:{options.suite}"
        self.defaults: dict[str, Any] = {"Cmd": ["/bin/bash"], "Env": [f"PATH={_SEARCH}"]}
        self.warnings: list[str] = []
        self._paths, self._options = paths, options

    def fingerprint(self) -> str:
        """Of what is asked for: archives move on, and an image is made anew when `force` says so."""
        return sha256(repr(self._options).encode())[7:]

    def layer(self, staging: Staging | None, limits: Limits, told: Told | None = None) -> Layer:
        """Made in staging; the digest alone can't be had without making it, so that is not offered."""
        if staging is None:
            raise EngineError("what debootstrap makes is known only once it is made")
        target = f"{staging.path}/debootstrap"
        os.mkdir(target, 0o755)
        os.chmod(target, 0o755)
        _run(self._options, target)
        _clean(target)
        source = Directory(self._paths, target)
        return source.layer(staging, limits, told)


def _run(options: Options, target: str) -> None:
    import subprocess

    variant = [] if options.variant == "standard" else [f"--variant={options.variant}"]
    packages = [f"--include={','.join(options.packages)}"] if options.packages else []
    words = ["debootstrap", *variant, *packages, options.suite, target]
    parent = os.getpid()

    def alone() -> None:
        die_with_parent(parent)
        # It mounts /proc in the target; in a namespace of its own nothing of that is left, however it ends.
        unshare(NEWNS)
        mount("none", "/", "", _REC | _PRIVATE, "")

    environment = {"PATH": _SEARCH, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    environment.update({key: os.environ[key] for key in ("http_proxy", "https_proxy", "no_proxy") if key in os.environ})
    try:
        done = subprocess.run(
            [*words, *([options.mirror] if options.mirror else [])], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=environment, preexec_fn=alone, check=False, cwd="/",
        )  # fmt: skip
    except FileNotFoundError:
        raise MissingDependency("this host has no debootstrap: install the package debootstrap") from None
    if done.returncode:
        lines = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.strip()]
        said = next((line for line in reversed(lines) if line.startswith("E:")), lines[-1] if lines else "no word")
        raise EngineError(f"debootstrap {options.suite} ended with status {done.returncode}: {said[:300]!a}")


def _clean(target: str) -> None:
    """Empty what differs from one run to the next. The target is a chroot that ran its own programs: no link is followed."""
    from ..kernel.files import open_beneath
    from ..storage.staging import remove_tree

    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for path in _EMPTIED:
            with contextlib.suppress(EngineError):
                directory = open_beneath(root, path.encode(), os.O_RDONLY | os.O_DIRECTORY)
                try:
                    for name in os.listdir(directory):
                        if (
                            not stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
                            or path != "var/log"
                        ):
                            remove_tree(directory, os.fsencode(name))
                finally:
                    os.close(directory)
        for path in _BLANK:
            with contextlib.suppress(EngineError):
                os.close(open_beneath(root, path.encode(), os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW))
    finally:
        os.close(root)
