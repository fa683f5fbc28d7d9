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
from .reading import absolute, items, mapping, one_of, scalar, text, truth
from .spec import Spec, shares

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
    if not given.keys() <= _READERS.keys():
        return _with_more(given, fields)
    spec = Spec(**fields)
    _check(spec)
    return spec


def _with_more(given: Mapping[str, Any], fields: dict[str, Any]) -> Spec:
    """The Spec when one of the options is given that few containers have, whose readers cost an import."""
    from . import isolation, limiting

    for room in (isolation, limiting):
        fields.update({key: read(key, given[key]) for key, read in room.READERS.items() if key in given})
    isolation.fold(fields)
    spec = Spec(**fields)
    _check(spec)
    isolation.check(spec)
    limiting.check(spec)
    return spec


def _check(spec: Spec) -> None:
    if shares(spec):
        from . import sharing

        sharing.check(spec)
    if spec.network_mode != "bridge" and spec.published_ports:
        raise InvalidSpec(f"published_ports need network_mode bridge, not {spec.network_mode}: leave one of them out")
    if spec.tty:
        _check_terminals(spec)
    if spec.hostname is not None and not _is_hostname(spec.hostname):
        raise InvalidSpec(f"hostname {spec.hostname[:70]!a} is not usable: use 1 to {_LONGEST_HOSTNAME} characters")


def _check_terminals(spec: Spec) -> None:
    """A volume's devices can't be opened, and a file system in memory has none."""
    places = [text.rsplit(":", 2)[1] for text in spec.volumes]
    hidden = {"/dev", "/dev/pts"}.intersection(places) or {"/dev/pts"}.intersection(t.split(":")[0] for t in spec.tmpfs)
    if hidden:
        option = "volumes" if hidden.intersection(places) else "tmpfs"
        raise InvalidSpec(
            f"tty needs terminals, and {option} hides them by what it mounts at {min(hidden)}: leave one of them out"
        )


def _is_hostname(name: str) -> bool:
    """It becomes a word of /etc/hosts and a line of /etc/hostname, so it must not hold two."""
    return 0 < len(name) <= _LONGEST_HOSTNAME and name.isascii() and name.isprintable() and not {"/", " "} & set(name)


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
    return tuple(scalar(option, item) for item in value)


def _env(option: str, value: object) -> dict[str, str]:
    pairs = mapping(option, value)
    for key in pairs:
        if "=" in key:
            raise InvalidSpec(f"{option}: {key!a} holds an equals sign: it can't be a variable's name")
    return pairs


def _volumes(option: str, value: object) -> tuple[str, ...]:
    return tuple(sorted(_volume(option, item) for item in items(option, value)))


def _volume(option: str, written: str) -> str:
    source, _unused, rest = written.partition(":")
    target, _unused, mode = rest.partition(":")
    modes = set((mode or "rw").split(","))
    if not target or not modes <= {"ro", "rw", "z", "Z"}:
        raise InvalidSpec(
            f"{option}: {written!a} is not usable: write /on/host:/in/container or /on/host:/in/container:ro"
        )
    inside = absolute(option, target)
    if inside == "/":
        raise InvalidSpec(f"{option}: {written!a} would hide the whole root of the container")
    return f"{absolute(option, source)}:{inside}:{'ro' if 'ro' in modes else 'rw'}"


def _tmpfs(option: str, value: object) -> tuple[str, ...]:
    listed = (
        [f"{key}:{options or ''}" for key, options in value.items()]
        if isinstance(value, dict)
        else items(option, value)
    )
    entries = []
    for written in listed:
        target, _unused, options = written.partition(":")
        if absolute(option, target) == "/":
            raise InvalidSpec(f"{option}: {written!a} would hide the whole root of the container")
        entries.append(f"{absolute(option, target)}:{','.join(sorted(item for item in options.split(',') if item))}")
    return tuple(sorted(entries))


def _capabilities(option: str, value: object) -> tuple[str, ...]:
    return capabilities.normalise(items(option, value), option)


def _ports(option: str, value: object) -> tuple[str, ...]:
    return tuple(show_port(port) for port in parse_ports(items(option, value)))


def _mode(option: str, value: object) -> str:
    return str(parse_mode(text(option, value)))


def _signal(option: str, value: object) -> str:
    try:
        return signals.name_of(signals.number_of(text(option, value)))
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


_READERS: dict[str, Callable[[str, object], Any]] = {
    "name": lambda _option, value: check_name(value),
    "image": text,
    "command": _words,
    "entrypoint": _words,
    "env": _env,
    "user": text,
    "working_dir": lambda option, value: absolute(option, text(option, value)),
    "hostname": scalar,
    "labels": mapping,
    "memory": _size,
    "cpus": _cpus,
    "pids_limit": _pids,
    "read_only": truth,
    "tmpfs": _tmpfs,
    "volumes": _volumes,
    "network_mode": _mode,
    "published_ports": _ports,
    "dns_servers": lambda option, value: check_dns_servers(items(option, value)),
    "etc_hosts": lambda option, value: check_etc_hosts(mapping(option, value)),
    "stop_signal": _signal,
    "stop_timeout": lambda option, value: parse_duration(value, option),
    "auto_remove": truth,
    "cap_add": _capabilities,
    "cap_drop": _capabilities,
    "privileged": truth,
    "userns_mode": one_of("auto", "host", "nomap", of_container=True),
    "tty": truth,
    "interactive": truth,
}
