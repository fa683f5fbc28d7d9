# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a bundle's config.json and saying what is wrong with it before anything is made."""

from __future__ import annotations

import os

from .. import jsontext
from ..errors import InvalidSpec, NotFound, Unsupported
from ..runtime import devices, limits, memory, mountoptions
from ..values import Value
from . import shape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LARGEST = 16 << 20


class Config(Value):
    """A config.json that has been checked: `oci` with "linux", "mounts" and their lists in place of what was left out.

    `bundle` and `rootfs` are absolute. Namespaces and what lies in them are read where they are opened (runtime/spaces.py).
    """

    oci: dict[str, Any]
    bundle: str
    rootfs: str

    @property
    def process(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.oci.get("process")
        return found

    @property
    def linux(self) -> dict[str, Any]:
        found: dict[str, Any] = self.oci["linux"]
        return found

    def hooks(self, kind: str) -> list[dict[str, Any]]:
        """Those of one kind, in their order."""
        return (self.oci.get("hooks") or {}).get(kind) or []


def load(bundle: str, file: str = "config.json") -> Config:
    """The checked configuration of the bundle at `bundle`. NotFound, InvalidSpec or Unsupported, in one sentence."""
    bundle = os.path.realpath(bundle)
    return parse(read(f"{bundle}/{file}"), bundle)


def read(path: str) -> bytes:
    """The bytes of a file of the caller's."""
    try:
        with open(path, "rb") as source:
            data = source.read(_LARGEST + 1)
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}: is this a bundle?") from error
    if len(data) > _LARGEST:
        raise InvalidSpec(f"{path} is longer than {_LARGEST >> 20} MiB")
    return data


def decode(data: bytes, what: str) -> Any:
    """A JSON text; InvalidSpec when it is none."""
    try:
        return jsontext.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidSpec(f"{what} is no JSON text: {error}") from None


def parse(data: bytes, bundle: str) -> Config:
    """The checked configuration that `data` holds, of a bundle at the absolute path `bundle`."""
    oci = decode(data, "config.json")
    shape.check(oci, shape.CONFIG)
    _check_version(oci["ociVersion"])
    linux = oci["linux"] = oci.get("linux") or {}
    kinds = {entry["type"] for entry in linux.get("namespaces") or []}
    rootfs = _rootfs(bundle, oci["root"]["path"])
    oci["mounts"] = oci.get("mounts") or []
    mountoptions.read(oci["mounts"])
    devices.read(linux.get("devices") or ())
    mountoptions.propagation_of(linux.get("rootfsPropagation") or "")
    if oci.get("process") is not None:
        check_process(oci["process"])
    _check_linux(linux, kinds)
    _map_caller(linux)
    _check_names(oci, kinds)
    for kind in shape.HOOKS:
        _check_hooks(kind, (oci.get("hooks") or {}).get(kind) or [])
    return Config(oci=oci, bundle=bundle, rootfs=rootfs)


def reread(data: bytes, bundle: str, rootfs: str) -> Config:
    """The configuration that was checked when the container was made, whatever has become of its bundle since."""
    oci = decode(data, "the kept config.json")
    oci["linux"] = oci.get("linux") or {}
    return Config(oci=oci, bundle=bundle, rootfs=rootfs)


def _check_version(version: str) -> None:
    major, dot, rest = version.partition(".")
    if not dot or not major.isdecimal() or not rest:
        raise InvalidSpec(f"ociVersion: {version!a} is no version (semver.org)")
    if major != "1":
        raise Unsupported(f"ociVersion: {version!a} is not one that this runtime knows: it knows 1.0 to 1.2")


def _rootfs(bundle: str, path: str) -> str:
    found = os.path.realpath(os.path.join(bundle, path))
    if not os.path.isdir(found):
        raise InvalidSpec(f"root.path: {path} is no directory")
    return found


def check_process(process: dict[str, Any]) -> None:
    """InvalidSpec for a process that can't be: without arguments, in a relative directory, with limits that make no sense."""
    if not process.get("args"):
        raise InvalidSpec("process.args is empty: there is nothing to execute")
    if not process["cwd"].startswith("/"):
        raise InvalidSpec(f"process.cwd: {process['cwd']} is not absolute")
    limits.parse(process.get("rlimits") or ())


def _check_linux(linux: dict[str, Any], kinds: set[str]) -> None:
    if linux.get("intelRdt"):
        raise Unsupported("linux.intelRdt: this runtime has no part in Intel's resource director: leave it out")
    if linux.get("memoryPolicy") is not None:
        memory.check(linux["memoryPolicy"])
    for name in ("uidMappings", "gidMappings"):
        if linux.get(name) and "user" not in kinds:
            raise InvalidSpec(f"linux.{name} needs a user namespace in linux.namespaces")
        check_mappings(linux.get(name) or [], f"linux.{name}")
    for name in ("maskedPaths", "readonlyPaths"):
        for path in linux.get(name) or []:
            if not path.startswith("/"):
                raise InvalidSpec(f"linux.{name}: {path!a} is not absolute")


def _map_caller(linux: dict[str, Any]) -> None:
    """A new user namespace that is told of no ids has one, as unshare(1) --map-root-user makes it: root is who asks for it."""
    is_new = any(entry["type"] == "user" and not entry.get("path") for entry in linux.get("namespaces") or [])
    if is_new and not linux.get("uidMappings") and not linux.get("gidMappings"):
        for name, ident in (("uidMappings", os.geteuid()), ("gidMappings", os.getegid())):
            linux[name] = [{"containerID": 0, "hostID": ident, "size": 1}]


def check_mappings(entries: list[dict[str, Any]], what: str) -> None:
    """InvalidSpec when there are more than the kernel takes, or one is empty or overlaps another."""
    if len(entries) > 340:
        raise InvalidSpec(f"{what}: the kernel takes 340 of them")
    for side in ("containerID", "hostID"):
        last = -1
        for entry in sorted(entries, key=lambda item: int(item[side])):
            if entry["size"] == 0:
                raise InvalidSpec(f"{what}: a size of 0 maps nothing")
            if entry[side] <= last:
                raise InvalidSpec(f"{what}: {side} {entry[side]} is mapped twice")
            last = entry[side] + entry["size"] - 1


def _check_names(oci: dict[str, Any], kinds: set[str]) -> None:
    for name in ("hostname", "domainname"):
        if oci.get(name) and "uts" not in kinds:
            raise InvalidSpec(f"{name} needs the uts namespace in linux.namespaces")
        if len((oci.get(name) or "").encode()) > 64:
            raise InvalidSpec(f"{name}: the kernel takes 64 bytes")


def _check_hooks(kind: str, hooks: list[dict[str, Any]]) -> None:
    for hook in hooks:
        if not hook["path"].startswith("/"):
            raise InvalidSpec(f"hooks.{kind}: path {hook['path']!a} is not absolute")
        if hook.get("timeout") is not None and hook["timeout"] <= 0:
            raise InvalidSpec(f"hooks.{kind}: timeout {hook['timeout']} is not above 0")
