# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of the options of isolation: devices, namespaces, limits of a process, security. Imported when one of them is given."""

from __future__ import annotations

from ..errors import InvalidSpec
from ..units import parse_size
from . import sysctls
from .reading import absolute, integer, items, mapping, one_of, text, truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .spec import Spec

_ACCESS = "rwm"
_LARGEST_ID = (1 << 31) - 1
_LONGEST_HOSTNAME = 64
ULIMITS = (
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime",
    "sigpending", "stack",
)  # fmt: skip
_SWITCHES = {"": True, "true": True, "1": True, "false": False, "0": False}


def _devices(option: str, value: object) -> tuple[str, ...]:
    return tuple(sorted({_device(option, item) for item in items(option, value)}))


def _device(option: str, item: str) -> str:
    """Docker's three spellings as HOST:CONTAINER:rwm."""
    source, *rest = item.split(":")
    access = rest.pop() if rest and _is_access(rest[-1]) else _ACCESS
    if len(rest) > 1 or (rest and not rest[0].startswith("/")):
        raise InvalidSpec(
            f"{option}: {item!a} is not usable: write /dev/host, /dev/host:/dev/inside or either with :rwm"
        )
    target = absolute(option, rest[0] if rest else source)
    if target in ("/", "/dev"):
        raise InvalidSpec(f"{option}: {item!a} would take the place of {target}: name a path below /dev")
    return f"{absolute(option, source)}:{target}:{''.join(letter for letter in _ACCESS if letter in access)}"


def _is_access(word: str) -> bool:
    return 0 < len(word) <= len(_ACCESS) and set(word) <= set(_ACCESS)


def _rules(option: str, value: object) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    return tuple(dict.fromkeys(_rule(option, item) for item in items(option, listed)))


def _rule(option: str, item: str) -> str:
    words = item.split()
    numbers = words[1].split(":") if len(words) == 3 else []
    if len(numbers) != 2 or words[0] not in ("a", "b", "c") or not _is_access(words[2]):
        raise InvalidSpec(f"{option}: {item!a} is no rule: write one such as c 189:* rmw")
    major, minor = (part if part == "*" else str(integer(option, part, 0, (1 << 32) - 1)) for part in numbers)
    return f"{words[0]} {major}:{minor} {''.join(letter for letter in _ACCESS if letter in words[2])}"


def _ulimits(option: str, value: object) -> tuple[str, ...]:
    """The last one of a name wins."""
    found = dict(_ulimit(option, item) for item in items(option, value))
    return tuple(f"{name}={limits}" for name, limits in sorted(found.items()))


def _ulimit(option: str, item: str) -> tuple[str, str]:
    name, *limits = item.replace("=", ":", 1).split(":")
    name = name.lower()
    if name not in ULIMITS or not 0 < len(limits) <= 2:
        raise InvalidSpec(f"{option}: {item!a} is not usable: write NAME=SOFT:HARD, where NAME is {', '.join(ULIMITS)}")
    soft, hard = (
        -1 if word in ("-1", "unlimited") else integer(option, word, 0, (1 << 63) - 1)
        for word in (limits if len(limits) == 2 else limits * 2)
    )
    if hard != -1 and (soft == -1 or soft > hard):
        raise InvalidSpec(f"{option}: {item!a} has a soft limit above its hard limit")
    return name, f"{soft}:{hard}"


def _sysctls(option: str, value: object) -> dict[str, str]:
    return sysctls.check_words(option, mapping(option, value))


def _shm_size(option: str, value: object) -> int | None:
    return parse_size(value, option) or None


def _groups(option: str, value: object) -> tuple[str, ...]:
    return tuple(sorted({_group(option, item) for item in items(option, value)}))


def _group(option: str, item: str) -> str:
    name = text(option, item)
    if name.isascii() and name.isdigit():
        return str(integer(option, name, 0, _LARGEST_ID))
    if ":" in name or not name.isprintable():
        raise InvalidSpec(f"{option}: {name!a} is no group: write a name or a number of the container")
    return name


def _umask(option: str, value: object) -> str:
    """Octal digits; a YAML number that begins with 0 has become another one on its way."""
    if not isinstance(value, str) or not 1 <= len(value) <= 4 or not set(value) <= set("01234567"):
        raise InvalidSpec(f'{option}: {value!a} is no umask: write octal digits in quotes, such as "0027"')
    if int(value, 8) > 0o777:
        raise InvalidSpec(f"{option}: {value} has more than the nine bits of permissions")
    return f"{int(value, 8):04o}"


def _domain(option: str, value: object) -> str:
    name = text(option, value)
    if len(name) > _LONGEST_HOSTNAME or "/" in name or not name.isascii() or not name.isprintable():
        raise InvalidSpec(f"{option} {name[:70]!a} is not usable: use 1 to {_LONGEST_HOSTNAME} characters")
    return name


def _cgroup_parent(option: str, value: object) -> str:
    """The group's path below each hierarchy, without a slash at its ends."""
    path = text(option, value).strip("/")
    parts = path.split("/")
    if not path or {"", ".", ".."} & set(parts) or not path.isascii() or not path.isprintable():
        raise InvalidSpec(f"{option}: {value!a} is no path of a cgroup: write one such as /batch or batch.slice")
    return path


def _security_opts(option: str, value: object) -> tuple[str, ...]:
    return tuple(sorted({_security_opt(option, item) for item in items(option, value)}))


def _security_opt(option: str, item: str) -> str:
    """NAME=VALUE; Docker takes a colon for the sign, too."""
    mark = min((item.index(mark), mark) for mark in "=:" if mark in item)[1] if {"=", ":"} & set(item) else "="
    name, _unused, rest = item.partition(mark)
    read = _SECURITY.get(name)
    if read is None or (not rest and name != "no-new-privileges"):
        raise InvalidSpec(f"{option}: {item!a} is not known: write one of {', '.join(_SECURITY)}, a sign = and a value")
    return f"{name}={read(f'{option}: {name}', rest)}"


def _seccomp(what: str, rest: str) -> str:
    return rest if rest in ("unconfined", "default", "default-32bit") else absolute(what, rest)


def _apparmor(what: str, rest: str) -> str:
    if not rest.isascii() or not rest.isprintable() or " " in rest:
        raise InvalidSpec(f"{what}: {rest!a} is no name of a profile: write one, or unconfined")
    return rest


def _label(what: str, rest: str) -> str:
    kind, _unused, word = rest.partition(":")
    if rest != "disable" and (kind not in ("user", "role", "type", "level") or not word or not word.isprintable()):
        raise InvalidSpec(f"{what}: {rest!a} is not known: use disable, or user:, role:, type: or level: and a word")
    return rest


def _paths(what: str, rest: str) -> str:
    return ":".join(sorted({absolute(what, path) for path in rest.split(":")}))


def _unmask(what: str, rest: str) -> str:
    return "ALL" if rest.upper() == "ALL" else _paths(what, rest)


def _switch(what: str, rest: str) -> str:
    if rest.lower() not in _SWITCHES:
        raise InvalidSpec(f"{what}: {rest!a} is neither true nor false")
    return "true" if _SWITCHES[rest.lower()] else "false"


def _systempaths(what: str, rest: str) -> str:
    if rest != "unconfined":
        raise InvalidSpec(f"{what}: {rest!a} is not known: use unconfined")
    return rest


_SECURITY: dict[str, Callable[[str, str], str]] = {
    "seccomp": _seccomp,
    "apparmor": _apparmor,
    "label": _label,
    "no-new-privileges": _switch,
    "mask": _paths,
    "unmask": _unmask,
    "systempaths": _systempaths,
}

READERS: dict[str, Callable[[str, object], Any]] = {
    "devices": _devices,
    "device_cgroup_rules": _rules,
    "security_opts": _security_opts,
    "no_new_privileges": truth,
    "ulimits": _ulimits,
    "sysctls": _sysctls,
    "oom_score_adj": lambda option, value: integer(option, value, -1000, 1000),
    "shm_size": _shm_size,
    "ipc_mode": one_of("private", "shareable", "none", "host", of_container=True),
    "pid_mode": one_of("private", "host", of_container=True),
    "uts_mode": one_of("private", "host"),
    "cgroupns_mode": one_of("private", "host"),
    "cgroup_parent": _cgroup_parent,
    "groups": _groups,
    "domainname": _domain,
    "umask": _umask,
}


def fold(fields: dict[str, Any]) -> None:
    """Let what can be said in two ways be said in one: no-new-privileges is an option of its own, and its default is no opinion."""
    name = "no-new-privileges="
    said = {item[len(name) :] == "true" for item in fields.get("security_opts", ()) if item.startswith(name)}
    if "no_new_privileges" in fields:
        said.add(fields["no_new_privileges"])
    if len(said) > 1:
        raise InvalidSpec("no_new_privileges is both true and false: leave one of them out")
    for value in said:
        fields["no_new_privileges"] = None if value is not fields.get("privileged", False) else value
        fields["security_opts"] = tuple(i for i in fields.get("security_opts", ()) if not i.startswith(name))


def check(spec: Spec) -> None:
    """InvalidSpec for options that contradict each other."""
    if spec.uts_mode == "host" and (spec.hostname is not None or spec.domainname is not None):
        raise InvalidSpec("hostname and domainname are the host's with uts_mode host: leave one of them out")
    if spec.shm_size is not None and spec.ipc_mode not in ("private", "shareable"):
        raise InvalidSpec(
            f"shm_size needs an ipc_mode of the container's own, not {spec.ipc_mode}: leave one of them out"
        )
    for kind in ("seccomp", "apparmor"):
        given = [item for item in spec.security_opts if item.startswith(f"{kind}=")]
        if len(given) > 1:
            raise InvalidSpec(f"security_opts: {' and '.join(given)} contradict each other: leave one of them out")
    sysctls.check_namespaces(spec)
