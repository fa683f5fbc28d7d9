# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller sends as the content of an image: one file, named by its digest, the same for the same content."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def archive(source: str, scratch: str) -> tuple[str, str]:
    """(path, sha256) of `source` itself when it is a file, or of a tar of it below `scratch` when it is a directory."""
    path = _pack(source, scratch) if os.path.isdir(source) else source
    total = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            total.update(block)
    return path, total.hexdigest()


def _pack(directory: str, scratch: str) -> str:
    descriptor, path = tempfile.mkstemp(dir=scratch, prefix="berth-rootfs-", suffix=".tar")
    with (
        os.fdopen(descriptor, "wb") as target,
        tarfile.open(
            fileobj=target, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape"
        ) as tar,
    ):
        for member in _tree(directory):
            if stat.S_ISSOCK(os.lstat(member).st_mode):
                # It has no content, and no archive holds one.
                continue
            info = tar.gettarinfo(member, arcname=os.path.relpath(member, directory))
            info.uname = info.gname = ""
            info.pax_headers = _attributes(member)
            if info.isreg():
                with open(member, "rb") as file:
                    tar.addfile(info, file)
            else:
                tar.addfile(info)
    return path


def _tree(directory: str) -> Iterator[str]:
    """`directory` and all below it, each parent before its children, in the order of their names."""
    yield directory
    for entry in sorted(os.scandir(directory), key=lambda entry: os.fsencode(entry.name)):
        if entry.is_dir(follow_symlinks=False):
            yield from _tree(entry.path)
        else:
            yield entry.path


def _attributes(path: str) -> dict[str, str]:
    """Extended attributes as tar programs write them; only root sees those of the kind security and trusted."""
    return {
        f"SCHILY.xattr.{name}": os.getxattr(path, name, follow_symlinks=False).decode("utf-8", "surrogateescape")
        for name in os.listxattr(path, follow_symlinks=False)
        if name.startswith(("user.", "security.capability"))
    }
