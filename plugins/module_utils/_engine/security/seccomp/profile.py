# SPDX-License-Identifier: GPL-3.0-or-later
"""A profile that the user wrote, in Docker's form or in the specification's own, made config.json's linux.seccomp for one container."""

from __future__ import annotations

import errno
import os

from ... import jsontext
from ...errors import InvalidSpec
from . import filters
from .filters import items, table, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST = 1 << 20
# Podman's profiles have the names of error numbers beside them.
_KEYS = (
    "defaultAction", "defaultErrnoRet", "defaultErrno", "archMap", "architectures", "flags", "listenerPath", "listenerMetadata",
    "syscalls", "comment",
)  # fmt: skip
_CALL_KEYS = ("names", "name", "action", "errnoRet", "errno", "args", "comment", "includes", "excludes")
_ARGUMENT_KEYS = ("index", "value", "valueTwo", "op")
_CASE_KEYS = ("caps", "arches", "minKernel")
# What Docker calls the architectures in "includes" and "excludes".
_ARCHES = {"X86_64": ("amd64",), "X86": ("x86", "386"), "AARCH64": ("arm64",), "ARM": ("arm",)}


def read(path: str, held: tuple[str, ...], family: tuple[str, ...], release: str) -> dict[str, Any]:
    """linux.seccomp from the profile at `path`, for the capabilities `held`, a kernel of `family` and `release`.

    InvalidSpec names the place of what is wrong in it: a word that nobody knows is no word to pass over here.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC), "rb") as file:
            data = file.read(_MOST + 1)
    except OSError as error:
        raise InvalidSpec(f"security_opts: seccomp profile {path}: {error.strerror}") from error
    if len(data) > _MOST:
        raise InvalidSpec(f"security_opts: seccomp profile {path} is larger than {_MOST} bytes")
    try:
        document = jsontext.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidSpec(f"security_opts: seccomp profile {path} is no JSON: {error}") from error
    where = f"seccomp profile {path}: "
    made = from_document(document, held, family, release, where)
    parsed = filters.parse(made, family, where)
    if any(rule.action == filters.NOTIFY for rule in parsed.rules):
        raise InvalidSpec(f"{where}SCMP_ACT_NOTIFY is for bundles that berth oci runs: take another action")
    return made


def from_document(
    document: Any, held: tuple[str, ...], family: tuple[str, ...], release: str, where: str = ""
) -> dict[str, Any]:
    """linux.seccomp from a profile: what is only for other capabilities, architectures or kernels is left out."""
    _known(where, table(where, document), _KEYS)
    made = {
        key: document[key] for key in ("defaultAction", "flags", "listenerPath", "listenerMetadata") if key in document
    }
    _put_errno(where, document, made, "defaultErrnoRet", "defaultErrno")
    made["architectures"] = _architectures(where, document, family)
    made["syscalls"] = []
    for index, entry in enumerate(items(f"{where}syscalls", document.get("syscalls"))):
        place = f"{where}syscalls[{index}]"
        _known(place, table(place, entry), _CALL_KEYS)
        if _applies(place, entry, held, family, release):
            made["syscalls"].append(_call(place, entry))
    return made


def _call(where: str, entry: dict[str, Any]) -> dict[str, Any]:
    if "name" in entry and "names" in entry:
        raise InvalidSpec(f"{where} has both name and names: leave one of them out")
    made = {"names": [entry["name"]] if "name" in entry else entry.get("names"), "action": entry.get("action")}
    _put_errno(where, entry, made, "errnoRet", "errno")
    arguments = items(f"{where}.args", entry.get("args"))
    for index, argument in enumerate(arguments):
        place = f"{where}.args[{index}]"
        _known(place, table(place, argument), _ARGUMENT_KEYS)
    if arguments:
        made["args"] = arguments
    return made


def _put_errno(where: str, entry: dict[str, Any], made: dict[str, Any], key: str, name_key: str) -> None:
    number, name = entry.get(key), entry.get(name_key)
    if name:
        named = getattr(errno, str(name), None) if str(name).startswith("E") else None
        if named is None or number not in (None, named):
            raise InvalidSpec(f"{where}.{name_key}: {name!a} is no error's name, or another's than {key}: leave it out")
        number = named
    if number is not None:
        made[key] = number


def _architectures(where: str, document: dict[str, Any], family: tuple[str, ...]) -> list[str]:
    given = words(f"{where}architectures", document.get("architectures"))
    mapped = items(f"{where}archMap", document.get("archMap"))
    if given and mapped:
        raise InvalidSpec(f"{where}architectures and archMap are both there: leave one of them out")
    for index, entry in enumerate(mapped):
        place = f"{where}archMap[{index}]"
        _known(place, table(place, entry), ("architecture", "subArchitectures"))
        if entry.get("architecture") == f"SCMP_ARCH_{family[0]}":
            return [entry["architecture"], *words(f"{place}.subArchitectures", entry.get("subArchitectures"))]
    return given


def _applies(where: str, entry: dict[str, Any], held: tuple[str, ...], family: tuple[str, ...], release: str) -> bool:
    """Docker's rule: all of "includes" must hold, of its capabilities every one, and nothing of "excludes"."""
    wanted, unwanted = (_case(where, entry, key) for key in ("includes", "excludes"))
    arches = _ARCHES.get(family[0], ())
    caps = {f"CAP_{name}" for name in held}
    if not set(wanted["caps"]) <= caps or set(unwanted["caps"]) & caps:
        return False
    if (wanted["arches"] and not set(wanted["arches"]) & set(arches)) or set(unwanted["arches"]) & set(arches):
        return False
    here = _version(where, ".".join(release.split("-", 1)[0].split(".")[:2]))
    least, first_without = (case["minKernel"] for case in (wanted, unwanted))
    return not (least and here < least) and not (first_without and here >= first_without)


def _case(where: str, entry: dict[str, Any], key: str) -> dict[str, Any]:
    place = f"{where}.{key}"
    case = entry.get(key)
    case = {} if case is None else table(place, case)
    _known(place, case, _CASE_KEYS)
    least = case.get("minKernel")
    return {
        "caps": words(f"{place}.caps", case.get("caps")),
        "arches": words(f"{place}.arches", case.get("arches")),
        "minKernel": _version(f"{place}.minKernel", least) if least else None,
    }


def _version(where: str, text: Any) -> tuple[int, int]:
    parts = text.split(".") if isinstance(text, str) else []
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        raise InvalidSpec(f"{where}: {text!a} is no kernel version: write one such as 4.8")
    return int(parts[0]), int(parts[1])


def _known(where: str, entry: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in entry:
        if key not in keys:
            raise InvalidSpec(f"{where.rstrip(': ')}: {key!a} is not known: use {', '.join(keys)}")
