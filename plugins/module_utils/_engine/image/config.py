# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that end up in an image's config, read from what people write, and the documents that they end up in."""

from __future__ import annotations

from .. import mediatypes
from ..digests import sha256
from ..errors import InvalidSpec
from ..storage import documents, platforms
from ..values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SECOND = 1_000_000_000
OPTIONS = ("command", "entrypoint", "env", "user", "working_dir", "labels", "exposed_ports", "stop_signal", "volumes")
_LATEST = 253402300799  # 9999-12-31: RFC 3339 has four digits for a year


def platform(text: str | None) -> dict[str, str]:
    """os, architecture and variant in OCI's words, as in "linux/386"; this host's for None. InvalidSpec."""
    return {key: word for key, word in zip(("os", "architecture", "variant"), platforms.parse(text)) if word}


def show_created(nanoseconds: int) -> str:
    """RFC 3339 in UTC, with a fraction where there is one."""
    import time

    seconds, fraction = divmod(min(max(nanoseconds, 0), _LATEST * SECOND), SECOND)
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}{digits}Z"


def read_created(text: str) -> int:
    """The inverse, in nanoseconds; digits beyond them are cut off. 0 for what is no RFC 3339 time in UTC."""
    whole, _unused, fraction = text[:-1].partition(".")
    digits = (fraction + "0" * 9)[:9]
    if not text.endswith("Z") or not (digits.isascii() and digits.isdigit()):
        return 0
    seconds = _seconds(whole)
    return 0 if seconds is None else seconds * SECOND + int(digits)


def _seconds(text: str) -> int | None:
    """Seconds since 1970 of a time like 2001-02-03T04:05:06; None for what is none. strptime(3) in Python costs 7 ms to import."""
    import time

    parts = [text[start : start + width] for start, width in ((0, 4), (5, 2), (8, 2), (11, 2), (14, 2), (17, 2))]
    if len(text) != 19 or text[4::3] != "--T::" or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    year, month, day, hour, minute, second = map(int, parts)
    # Days of the civil calendar counted in years that begin in March, so that the leap day is the last.
    spring, shift = divmod(month + 9, 12)
    march = year - 1 + spring
    days = march * 365 + march // 4 - march // 100 + march // 400 + (153 * shift + 2) // 5 + day - 719_469
    if year < 1 or not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 61:
        return None
    if time.gmtime(days * 86_400)[:3] != (year, month, day):
        return None
    return days * 86_400 + hour * 3600 + minute * 60 + second


def read_options(params: dict[str, Any]) -> dict[str, Any]:
    """The OCI `config` fields that the options ask for, with only those that were given (None is no opinion). InvalidSpec."""
    config: dict[str, Any] = {}
    for option in OPTIONS:
        value = params.get(option)
        if value is not None:
            field, read = _READERS[option]
            config[field] = read(value, option)
    return config


def _words(value: object, option: str) -> list[str]:
    if isinstance(value, str):
        import shlex

        try:
            value = shlex.split(value)
        except ValueError as error:
            raise InvalidSpec(f"{option}: {value!a}: {str(error).lower()}") from None
    if not isinstance(value, (list, tuple)):
        raise InvalidSpec(f"{option}: {value!a} is no list of words")
    return [_text(item, option) for item in value]


def _text(value: object, option: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or "\0" in str(value):
        raise InvalidSpec(f"{option}: {value!a} is no text: put it in quotes")
    return str(value)


def _env(value: object, option: str) -> list[str]:
    if not isinstance(value, dict):
        raise InvalidSpec(f"{option}: {value!a} is no dictionary of names and values")
    for name in value:
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise InvalidSpec(f"{option}: {name!a} is no name for a variable")
    return [f"{name}={_text(value[name], f'{option}.{name}')}" for name in sorted(value)]


def _labels(value: object, option: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InvalidSpec(f"{option}: {value!a} is no dictionary of names and values")
    return {_text(name, option): _text(value[name], f"{option}.{name}") for name in sorted(value, key=str)}


def _path(value: object, option: str) -> str:
    path = _text(value, option)
    if not path.startswith("/"):
        raise InvalidSpec(f"{option}: {path!a} is no absolute path")
    return path


def _ports(value: object, option: str) -> dict[str, dict[str, str]]:
    if not isinstance(value, (list, tuple)):
        raise InvalidSpec(f"{option}: {value!a} is no list of ports")
    ports = {}
    for item in value:
        number, slash, protocol = _text(item, option).partition("/")
        protocol = protocol if slash else "tcp"
        first, dash, last = number.partition("-")
        good = all(
            part.isascii() and part.isdigit() and 0 < int(part[:6]) < 65536
            for part in ((first, last) if dash else (first,))
        )
        if not good or protocol not in ("tcp", "udp", "sctp"):
            raise InvalidSpec(f"{option}: {item!a} is no port: write a number and a protocol, such as 80/tcp")
        for port in range(int(first), int(last if dash else first) + 1):
            ports[f"{port}/{protocol}"] = dict[str, str]()
    return ports


def _volumes(value: object, option: str) -> dict[str, dict[str, str]]:
    if not isinstance(value, (list, tuple)):
        raise InvalidSpec(f"{option}: {value!a} is no list of paths")
    return {_path(item, option): {} for item in value}


_READERS: dict[str, tuple[str, Any]] = {
    "command": ("Cmd", _words),
    "entrypoint": ("Entrypoint", _words),
    "env": ("Env", _env),
    "user": ("User", _text),
    "working_dir": ("WorkingDir", _path),
    "labels": ("Labels", _labels),
    "exposed_ports": ("ExposedPorts", _ports),
    "stop_signal": ("StopSignal", _text),
    "volumes": ("Volumes", _volumes),
}


class Documents(Value):
    """A manifest and a config as bytes, and the digests under which they are blobs."""

    manifest: bytes
    config: bytes
    layers: tuple[str, ...]
    diff_ids: tuple[str, ...]

    @property
    def digest(self) -> str:
        return sha256(self.manifest)

    @property
    def id(self) -> str:
        return sha256(self.config)


def assemble(config: dict[str, Any], layers: list[dict[str, Any]], diff_ids: tuple[str, ...]) -> Documents:
    """The documents of an image. `config` is the whole OCI config less rootfs; `layers` the manifest's descriptors."""
    packed = documents.pack({**config, "rootfs": {"type": "layers", "diff_ids": list(diff_ids)}})
    manifest = {
        "schemaVersion": 2,
        "mediaType": mediatypes.MANIFEST,
        "config": {"mediaType": mediatypes.CONFIG, "digest": sha256(packed), "size": len(packed)},
        "layers": layers,
    }
    return Documents(
        manifest=documents.pack(manifest),
        config=packed,
        diff_ids=diff_ids,
        layers=tuple(item["digest"] for item in layers),
    )


def layer_descriptor(digest: str, size: int) -> dict[str, Any]:
    """A layer of ours in a manifest: an uncompressed tar, for speed; its digest is its diff id too."""
    return {"mediaType": mediatypes.LAYER, "digest": digest, "size": size}
