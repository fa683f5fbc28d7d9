# SPDX-License-Identifier: GPL-3.0-or-later
"""From what people write to a Spec: every spelling that Docker takes becomes the one that is kept, or an error naming the option."""

from __future__ import annotations

from ..errors import InvalidSpec
from ..kernel import signals
from ..names import check_name
from ..network.modes import parse_mode
from ..network.ports import parse_ports, show_port
from ..network.resolv import check_dns_servers, check_etc_hosts
from ..security import capabilities
from ..units import parse_cpus, parse_duration, parse_size
from .spec import Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Callable

_UNLIMITED = (0, "0", -1, "-1")
_LONGEST_HOSTNAME = 64


def normalise(params: Mapping[str, Any]) -> Spec:
    """The Spec of a module's or command's parameters; keys that are None or absent mean no opinion. InvalidSpec otherwise."""
    given = {key: value for key, value in params.items() if value is not None}
    name = check_name(given.get("name"))
    if not given.get("image"):
        raise InvalidSpec(f"container {name}: image is missing: name the image to run")
    fields = {key: read(key, given[key]) for key, read in _READERS.items() if key in given}
    spec = Spec(**fields)
    _check(spec)
    return spec


def _check(spec: Spec) -> None:
    if spec.network_mode != "bridge" and spec.published_ports:
        raise InvalidSpec(f"published_ports need network_mode bridge, not {spec.network_mode}: leave one of them out")
    if spec.network_mode == "host" and spec.hostname:
        return
    if spec.hostname is not None and (
        not spec.hostname or len(spec.hostname) > _LONGEST_HOSTNAME or "/" in spec.hostname
    ):
        raise InvalidSpec(f"hostname {spec.hostname[:70]!a} is not usable: use 1 to {_LONGEST_HOSTNAME} characters")


def _text(option: str, value: object) -> str:
    text = _scalar(option, value)
    if not text:
        raise InvalidSpec(f"{option} is empty: leave it out, or give a value")
    return text


def _scalar(option: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise InvalidSpec(f"{option}: {value!a} is not a text")
    text = str(value)
    if "\0" in text:
        raise InvalidSpec(f"{option}: {text!a} holds a NUL character")
    return text


def _words(option: str, value: object) -> tuple[str, ...]:
    """A list as it is; a string is cut as a shell would, without one."""
    if isinstance(value, str):
        import shlex

        try:
            return tuple(shlex.split(value))
        except ValueError as error:
            raise InvalidSpec(f"{option}: {value!a}: {error}") from error
    if not isinstance(value, (list, tuple)):
        raise InvalidSpec(f"{option}: {value!a} is neither a list nor a string")
    return tuple(_scalar(option, item) for item in value)


def _list(option: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [item for item in value.split(",") if item]
    if not isinstance(value, (list, tuple)):
        raise InvalidSpec(f"{option}: {value!a} is not a list")
    return tuple(_scalar(option, item) for item in value)


def _mapping(option: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InvalidSpec(f"{option}: {value!a} is not a dictionary")
    pairs = {_text(option, key): _scalar(f"{option}.{key}", item) for key, item in value.items()}
    return dict(sorted(pairs.items()))


def _env(option: str, value: object) -> dict[str, str]:
    pairs = _mapping(option, value)
    for key in pairs:
        if "=" in key:
            raise InvalidSpec(f"{option}: {key!a} holds an equals sign: it can't be a variable's name")
    return pairs


def _absolute(option: str, path: str) -> str:
    import os.path

    if not path.startswith("/"):
        raise InvalidSpec(f"{option}: {path!a} is not an absolute path")
    return os.path.normpath(path.replace("//", "/"))


def _volumes(option: str, value: object) -> tuple[str, ...]:
    return tuple(sorted(_volume(option, item) for item in _list(option, value)))


def _volume(option: str, text: str) -> str:
    source, _unused, rest = text.partition(":")
    target, _unused, mode = rest.partition(":")
    modes = set((mode or "rw").split(","))
    if not target or not modes <= {"ro", "rw", "z", "Z"}:
        raise InvalidSpec(
            f"{option}: {text!a} is not usable: write /on/host:/in/container or /on/host:/in/container:ro"
        )
    inside = _absolute(option, target)
    if inside == "/":
        raise InvalidSpec(f"{option}: {text!a} would hide the whole root of the container")
    return f"{_absolute(option, source)}:{inside}:{'ro' if 'ro' in modes else 'rw'}"


def _tmpfs(option: str, value: object) -> tuple[str, ...]:
    items = (
        [f"{key}:{options or ''}" for key, options in value.items()]
        if isinstance(value, dict)
        else _list(option, value)
    )
    entries = []
    for text in items:
        target, _unused, options = text.partition(":")
        if _absolute(option, target) == "/":
            raise InvalidSpec(f"{option}: {text!a} would hide the whole root of the container")
        entries.append(f"{_absolute(option, target)}:{','.join(sorted(item for item in options.split(',') if item))}")
    return tuple(sorted(entries))


def _capabilities(option: str, value: object) -> tuple[str, ...]:
    return capabilities.normalise(_list(option, value), option)


def _ports(option: str, value: object) -> tuple[str, ...]:
    return tuple(show_port(port) for port in parse_ports(_list(option, value)))


def _mode(option: str, value: object) -> str:
    return str(parse_mode(_text(option, value)))


def _userns(option: str, value: object) -> str:
    if value not in ("auto", "host"):
        raise InvalidSpec(f"{option}: {value!a} is not known: use auto or host")
    return str(value)


def _signal(option: str, value: object) -> str:
    try:
        return signals.name_of(signals.number_of(_text(option, value)))
    except InvalidSpec as error:
        raise InvalidSpec(f"{option}: {error}") from None


def _size(option: str, value: object) -> int | None:
    return None if value in _UNLIMITED else parse_size(value, option)


def _cpus(option: str, value: object) -> float | None:
    return None if value in (*_UNLIMITED, 0.0, "0.0") else parse_cpus(value, option)


def _pids(option: str, value: object) -> int:
    """0 and -1 are unlimited; kept as -1, since None means the default."""
    if value in _UNLIMITED:
        return -1
    text = str(value)
    if not text.isascii() or not text.isdigit():
        raise InvalidSpec(f"{option}: {value!a} is no number of processes")
    return int(text)


def _bool(option: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidSpec(f"{option}: {value!a} is neither true nor false")
    return value


_READERS: dict[str, Callable[[str, object], Any]] = {
    "name": lambda _option, value: check_name(value),
    "image": _text,
    "command": _words,
    "entrypoint": _words,
    "env": _env,
    "user": _text,
    "working_dir": lambda option, value: _absolute(option, _text(option, value)),
    "hostname": _scalar,
    "labels": _mapping,
    "memory": _size,
    "cpus": _cpus,
    "pids_limit": _pids,
    "read_only": _bool,
    "tmpfs": _tmpfs,
    "volumes": _volumes,
    "network_mode": _mode,
    "published_ports": _ports,
    "dns_servers": lambda option, value: check_dns_servers(_list(option, value)),
    "etc_hosts": lambda option, value: check_etc_hosts(_mapping(option, value)),
    "stop_signal": _signal,
    "stop_timeout": lambda option, value: parse_duration(value, option),
    "auto_remove": _bool,
    "cap_add": _capabilities,
    "cap_drop": _capabilities,
    "privileged": _bool,
    "userns_mode": _userns,
    "tty": _bool,
    "interactive": _bool,
}
