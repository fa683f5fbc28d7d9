# SPDX-License-Identifier: GPL-3.0-or-later
"""What a commit changes in an image's config: Docker's instructions ("CMD [..]", "ENV k=v"), or container_image's options."""

from __future__ import annotations

import posixpath

from .. import jsontext
from ..errors import InvalidSpec
from .config import OPTIONS, read_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MERGED = ("Labels", "ExposedPorts", "Volumes")


def read_changes(changes: object) -> dict[str, Any]:
    """The OCI config fields that `changes` sets: a list of instructions, a dictionary of options, or None. InvalidSpec."""
    if changes is None:
        return {}
    if isinstance(changes, dict):
        unknown = set(changes).difference(OPTIONS)
        if unknown:
            raise InvalidSpec(f"changes: {min(unknown)!a} is no option of an image")
        return read_options(changes)
    if not isinstance(changes, (list, tuple)):
        raise InvalidSpec(f"changes: {changes!a} is neither a list of instructions nor a dictionary")
    fields: dict[str, Any] = {}
    for line in changes:
        if not isinstance(line, str):
            raise InvalidSpec(f"changes: {line!a} is no instruction")
        fields = _merge(fields, _instruction(line))
    return fields


def apply_changes(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`config` with `changes`: variables, labels, ports and volumes are added, the rest replaced; empty values remove.

    A new entrypoint drops the inherited command unless a command comes with it, as Docker has it.
    """
    result = _merge(config, changes)
    if "Entrypoint" in changes and "Cmd" not in changes:
        result.pop("Cmd", None)
    if "WorkingDir" in changes:
        result["WorkingDir"] = posixpath.normpath(posixpath.join("/", result["WorkingDir"]))
    return {key: value for key, value in result.items() if value not in ([], {}, "", None)}


def _merge(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = {**config, **changes}
    for field in _MERGED:
        if field in changes and config.get(field):
            result[field] = {**config[field], **changes[field]}
    if "Env" in changes:
        given = {item.partition("=")[0] for item in changes["Env"]}
        result["Env"] = [item for item in config.get("Env") or [] if item.partition("=")[0] not in given] + changes[
            "Env"
        ]
    if "WorkingDir" in changes:
        result["WorkingDir"] = posixpath.join(config.get("WorkingDir") or "", changes["WorkingDir"])
    return result


def _instruction(line: str) -> dict[str, Any]:
    word, _unused, rest = line.strip().partition(" ")
    word, rest = word.upper(), rest.strip()
    if word in ("CMD", "ENTRYPOINT"):
        return read_options({"command" if word == "CMD" else "entrypoint": _exec_form(rest, line)})
    if not rest:
        raise InvalidSpec(f"changes: {line!a} lacks a value")
    if word in ("ENV", "LABEL"):
        return read_options({"env" if word == "ENV" else "labels": _pairs(rest, line)})
    if word == "EXPOSE":
        return read_options({"exposed_ports": rest.split()})
    if word == "VOLUME":
        return read_options({"volumes": _json_list(rest, line) if rest.startswith("[") else _split(rest, line)})
    if word == "WORKDIR":
        return {"WorkingDir": rest}
    if word in ("USER", "STOPSIGNAL"):
        return read_options({"user" if word == "USER" else "stop_signal": rest})
    raise InvalidSpec(
        f"changes: {line!a}: use CMD, ENTRYPOINT, ENV, LABEL, EXPOSE, VOLUME, WORKDIR, USER or STOPSIGNAL"
    )


def _exec_form(text: str, line: str) -> list[str]:
    if text.startswith("["):
        return _json_list(text, line)
    return ["/bin/sh", "-c", text] if text else []


def _json_list(text: str, line: str) -> list[str]:
    try:
        words = jsontext.loads(text)
    except ValueError:
        words = None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InvalidSpec(f"changes: {line!a}: what follows is no JSON list of texts")
    return words


def _split(text: str, line: str) -> list[str]:
    import shlex

    try:
        return shlex.split(text)
    except ValueError as error:
        raise InvalidSpec(f"changes: {line!a}: {str(error).lower()}") from None


def _pairs(text: str, line: str) -> dict[str, str]:
    """k=v k="v w", or Docker's old form: one name, a blank, and all the rest."""
    words = _split(text, line)
    if "=" not in words[0]:
        name, _unused, value = text.partition(" ")
        if not value:
            raise InvalidSpec(f"changes: {line!a} lacks a value: write NAME=VALUE")
        return {name: value.strip()}
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise InvalidSpec(f"changes: {line!a}: {word!a} is not NAME=VALUE")
        pairs[name] = value
    return pairs
