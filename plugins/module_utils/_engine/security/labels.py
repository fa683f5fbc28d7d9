# SPDX-License-Identifier: GPL-3.0-or-later
"""Which AppArmor profile and SELinux context a container is confined by: what was asked for, or the default where the kernel has one."""

from __future__ import annotations

import os

from ..errors import NotFound, Unsupported
from ..values import Value

PROFILE = "berth-default"
_APPARMOR = "/sys/module/apparmor/parameters/enabled"
_POLICY = "/sys/kernel/security/apparmor/policy/profiles"
_PROFILES = "/sys/kernel/security/apparmor/profiles"
_SELINUX = "/sys/fs/selinux/enforce"
_USER, _ROLE, _TYPE, _FILES, _LEVEL = "system_u", "system_r", "container_t", "container_file_t", "s0"
_PRIVILEGED = "spc_t"
_CATEGORIES = 1024


class Labels(Value):
    """`apparmor` is a profile, `process` and `files` are SELinux contexts, "" for none.

    `note` is why there is no profile although the kernel has AppArmor, "" when there is nothing to say.
    """

    apparmor: str = ""
    process: str = ""
    files: str = ""
    note: str = ""


def resolve(security_opts: tuple[str, ...], ident: str, *, privileged: bool, loadable: bool, root: str = "") -> Labels:
    """The labels of container `ident`. `root` is put before the kernel's paths, so that a temporary directory can be the host.

    Unsupported for a profile or label that was asked for where the kernel has no such thing, NotFound for a profile that is
    not loaded. `loadable` tells whether the default profile is there or can be loaded, see apparmor.load.
    """
    profile, note = _apparmor(security_opts, privileged=privileged, loadable=loadable, root=root)
    process, files = _selinux(security_opts, ident, privileged=privileged, root=root)
    return Labels(apparmor=profile, process=process, files=files, note=note)


def has_apparmor(root: str = "") -> bool:
    """Whether the kernel confines by profiles."""
    try:
        with open(root + _APPARMOR, encoding="utf-8") as file:
            return file.read(1) == "Y"
    except OSError:
        return False


def has_selinux(root: str = "") -> bool:
    """Whether the kernel confines by contexts; permissive counts, too."""
    return os.path.exists(root + _SELINUX)


def is_loaded(profile: str, root: str = "") -> bool:
    """Whether the kernel knows the profile. Its directory has one entry for each, such as berth-default.7."""
    try:
        names = os.listdir(root + _POLICY)
    except OSError:
        return _is_listed(profile, root)
    return any(name.rpartition(".")[0] == profile for name in names) or ("/" in profile and _is_listed(profile, root))


def _is_listed(profile: str, root: str) -> bool:
    try:
        with open(root + _PROFILES, encoding="utf-8", errors="replace") as file:
            return any(line.rpartition(" (")[0] == profile for line in file)
    except OSError:
        return False


def values_of(security_opts: tuple[str, ...], name: str) -> tuple[str, ...]:
    """What "name=..." says among the options, in their order."""
    return tuple(item[len(name) + 1 :] for item in security_opts if item.startswith(f"{name}="))


def _apparmor(security_opts: tuple[str, ...], *, privileged: bool, loadable: bool, root: str) -> tuple[str, str]:
    asked = "".join(values_of(security_opts, "apparmor"))
    if asked == "unconfined":
        return "", ""
    if not has_apparmor(root):
        if asked:
            raise Unsupported(f"security_opts: apparmor={asked}: this kernel has no AppArmor: leave it out")
        return "", ""
    if asked and asked != PROFILE:
        if not is_loaded(asked, root):
            raise NotFound(
                f"security_opts: apparmor={asked} is not loaded on this host: load it with apparmor_parser first"
            )
        return asked, ""
    if privileged and not asked:
        return "", ""
    if not loadable:
        return "", f"no AppArmor profile: {PROFILE} is not loaded and this host has no apparmor_parser to load it"
    return PROFILE, ""


def _selinux(security_opts: tuple[str, ...], ident: str, *, privileged: bool, root: str) -> tuple[str, str]:
    asked = values_of(security_opts, "label")
    if not has_selinux(root):
        if asked and asked != ("disable",):
            raise Unsupported(f"security_opts: label={asked[0]}: this kernel has no SELinux: leave it out")
        return "", ""
    if "disable" in asked:
        return "", ""
    parts = dict(item.partition(":")[::2] for item in asked)
    level = parts.get("level") or (_LEVEL if privileged else f"{_LEVEL}:{_categories(ident)}")
    kind = parts.get("type") or (_PRIVILEGED if privileged else _TYPE)
    user, role = parts.get("user", _USER), parts.get("role", _ROLE)
    return f"{user}:{role}:{kind}:{level}", f"{user}:object_r:{_FILES}:{level}"


def _categories(ident: str) -> str:
    """Two of 1,024 that keep containers apart: half a million pairs, told by the id."""
    number = int(ident[:12], 16)
    one, other = number % _CATEGORIES, number // _CATEGORIES % (_CATEGORIES - 1)
    other += other >= one
    return f"c{min(one, other)},c{max(one, other)}"
