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
    from collections.abc import Callable
    from typing import IO, Any

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
_LINE, _SHOWN = 1 << 16, 80
# What is done for one package after another.
_COUNTED = ("Retrieving", "Validating", "Extracting", "Unpacking", "Configuring")
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

    def __init__(self, paths: Paths, options: Options, step: Callable[[str], object]) -> None:
        """`step` hears in a few words what the program is doing."""
        self.key = f"bootstrap:debootstrap:{options.suite}"
        self.defaults: dict[str, Any] = {"Cmd": ["/bin/bash"], "Env": [f"PATH={_SEARCH}"]}
        self.warnings: list[str] = []
        self._paths, self._options, self._step = paths, options, step

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
        _run(self._options, target, self._step)
        _clean(target)
        source = Directory(self._paths, target)
        return source.layer(staging, limits, told)


def _run(options: Options, target: str, step: Callable[[str], object]) -> None:
    import subprocess

    variant = [] if options.variant == "standard" else [f"--variant={options.variant}"]
    packages = [f"--include={','.join(options.packages)}"] if options.packages else []
    words = ["debootstrap", *variant, *packages, options.suite, target, *([options.mirror] if options.mirror else [])]
    parent = os.getpid()

    def alone() -> None:
        die_with_parent(parent)
        # It mounts /proc in the target; in a namespace of its own nothing of that is left, however it ends.
        unshare(NEWNS)
        mount("none", "/", "", _REC | _PRIVATE, "")

    environment = {"PATH": _SEARCH, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    environment.update({key: os.environ[key] for key in ("http_proxy", "https_proxy", "no_proxy") if key in os.environ})
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
            preexec_fn=alone, cwd="/",  # noqa: PLW1509 - there is one thread here
        )  # fmt: skip
    except FileNotFoundError:
        raise MissingDependency("this host has no debootstrap: install the package debootstrap") from None
    try:
        last = _follow(process.stdout, step) if process.stdout else ""
        status = process.wait()
    except BaseException:
        process.kill()
        raise
    finally:
        process.__exit__(None, None, None)
    if status:
        raise EngineError(f"debootstrap {options.suite} ended with status {status}: {last[:300]!a}")


def _follow(output: IO[bytes], step: Callable[[str], object]) -> str:
    """Tell of each step that the program tells of; the last of its complaints, or the last that it said at all."""
    counts: dict[str, int] = {}
    last, complaint = "no word", ""
    for data in iter(lambda: output.readline(_LINE), b""):
        line = "".join(mark if mark.isprintable() else "?" for mark in data.decode("utf-8", "replace").strip())
        if line.startswith("E:"):
            complaint = line
        last = line or last
        kind, _colon, words = line.partition(": ")
        if kind == "I" and words:
            verb = words.partition(" ")[0]
            counts[verb] = counts.get(verb, 0) + 1
            step(f"{words[:_SHOWN]}{f' ({counts[verb]})' if verb in _COUNTED else ''}")
    return complaint or last


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
