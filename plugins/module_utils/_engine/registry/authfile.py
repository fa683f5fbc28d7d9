# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which `docker login` keeps what it was given, read and written so that other tools read it too."""

from __future__ import annotations

import binascii
import os

from .. import jsontext
from ..errors import InvalidSpec, from_os
from ..records import write_file
from ..values import Value
from .auth import Credentials
from .endpoint import HUB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_LONGEST = 1 << 20
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_HUB_KEY = "https://index.docker.io/v1/"


class Found(Value):
    """`warning` tells why there may be credentials that were not read."""

    credentials: Credentials = Credentials()
    warning: str = ""


def default_path(environment: Mapping[str, str]) -> str:
    """$DOCKER_CONFIG/config.json, or .docker/config.json in the caller's home."""
    folder = environment.get("DOCKER_CONFIG")
    if not folder:
        folder = f"{environment.get('HOME') or '/root'}/.docker"
    return f"{folder}/config.json"


def look_up(path: str, registry: str, repository: str = "") -> Found:
    """The credentials for a repository at `registry`; the longest key that fits wins. InvalidSpec for a broken file."""
    document = _read(path)
    auths = _table(document, "auths")
    names = [registry]
    for part in repository.split("/") if repository else ():
        names.append(f"{names[-1]}/{part}")
    for name in reversed(names):
        for key in _keys(name):
            if isinstance(auths.get(key), dict) and (found := _credentials(auths[key], path, key)):
                return Found(credentials=found)
    helper = next(
        (_table(document, "credHelpers")[key] for key in _keys(registry) if key in _table(document, "credHelpers")),
        None,
    )
    helper = helper or document.get("credsStore")
    if not helper:
        return Found()
    return Found(
        warning=f"{path} leaves the password of {registry} to the program docker-credential-{str(helper)[:40]!a}, which is not asked:"
        " give registry_username and registry_password, or log in with another authfile"
    )


def store(path: str, registry: str, credentials: Credentials | None) -> None:
    """Put in the credentials of `registry`, or take them out (None). Everything else in the file stays. Atomic, mode 0600."""
    import json

    path = os.path.realpath(path)
    document = _read(path)
    auths = {key: value for key, value in _table(document, "auths").items() if key not in _keys(registry)}
    if credentials:
        auths[_HUB_KEY if registry == HUB else registry] = {"auth": credentials.basic.partition(" ")[2]}
    try:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    except OSError as error:
        raise from_os(error, f"make {os.path.dirname(path)}") from error
    write_file(path, json.dumps({**document, "auths": auths}, indent="\t").encode() + b"\n")


def _keys(registry: str) -> tuple[str, ...]:
    """How tools spell that registry in the file."""
    spelt = (
        registry,
        f"https://{registry}",
        f"https://{registry}/",
        f"https://{registry}/v1/",
        f"https://{registry}/v2/",
    )
    return (_HUB_KEY, *spelt, "index.docker.io", "registry-1.docker.io") if registry == HUB else spelt


def _credentials(entry: dict[str, Any], path: str, key: str) -> Credentials:
    token = entry.get("identitytoken")
    username, password = entry.get("username"), entry.get("password")
    text = entry.get("auth")
    if isinstance(text, str) and text:
        try:
            username, colon, password = _decode(text).rstrip("\0").partition(":")
        except ValueError:  # binascii.Error is one
            colon = ""
        if not colon:
            raise InvalidSpec(f"{path} has an auth for {key[:80]!a} that can't be read: log in again")
    if isinstance(token, str) and token:
        return Credentials(token=token)
    if isinstance(username, str) and isinstance(password, str):
        return Credentials(username=username, password=password)
    return Credentials()


def _decode(text: str) -> str:
    """Base64, and nothing that binascii would pass over in silence. ValueError."""
    if not _BASE64.issuperset(text.rstrip("=")):
        raise ValueError
    return binascii.a2b_base64(text).decode()


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _read(path: str) -> dict[str, Any]:
    """The file's JSON object; empty when there is no file."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            data = file.read(_LONGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise from_os(error, f"read {path}") from error
    try:
        document = (
            jsontext.loads(data) if len(data) <= _LONGEST and data.strip() else ({} if not data.strip() else None)
        )
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise InvalidSpec(f"{path} is no JSON object as docker login writes it: mend it, or give another authfile")
    return document
