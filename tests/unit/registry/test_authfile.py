# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's auth file: read in all its spellings, written so that nothing else in it is lost."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.registry import authfile
from ansible_collections.berth.containers.plugins.module_utils._engine.registry.auth import Credentials

ALICE = Credentials(username="alice", password="p:w")
AUTH = {"auth": "YWxpY2U6cDp3"}


def written(path: pathlib.Path, document: Any) -> str:
    path.write_text(json.dumps(document))
    return str(path)


@pytest.mark.parametrize(
    ("registry", "key"),
    [
        ("docker.io", "https://index.docker.io/v1/"),
        ("docker.io", "docker.io"),
        ("quay.io", "quay.io"),
        ("quay.io", "https://quay.io/v2/"),
        ("quay.io", "quay.io/me"),
        ("[::1]:5000", "[::1]:5000"),
    ],
)
def test_spellings(tmp_path: pathlib.Path, registry: str, key: str) -> None:
    path = written(tmp_path / "c", {"auths": {"other": {"auth": "x"}, key: AUTH}})
    assert authfile.look_up(path, registry, "me/app").credentials == ALICE
    assert not authfile.look_up(path, "elsewhere.example", "me/app").credentials


def test_the_longest_key_wins(tmp_path: pathlib.Path) -> None:
    path = written(tmp_path / "c", {"auths": {"quay.io": {"username": "b", "password": "b"}, "quay.io/me": AUTH}})
    assert authfile.look_up(path, "quay.io", "me/app").credentials == ALICE
    assert authfile.look_up(path, "quay.io", "you/app").credentials.username == "b"


def test_identity_tokens(tmp_path: pathlib.Path) -> None:
    path = written(tmp_path / "c", {"auths": {"quay.io": {**AUTH, "identitytoken": "abc"}}})
    assert authfile.look_up(path, "quay.io").credentials == Credentials(token="abc")


@pytest.mark.parametrize("helpers", [{"credHelpers": {"quay.io": "pass"}}, {"credsStore": "pass"}])
def test_a_helper_program_is_not_asked_and_that_is_told(tmp_path: pathlib.Path, helpers: dict[str, Any]) -> None:
    found = authfile.look_up(written(tmp_path / "c", {"auths": {"quay.io": {}}, **helpers}), "quay.io")
    assert not found.credentials and "docker-credential-'pass'" in found.warning


@pytest.mark.parametrize(
    "text", ["{", "[]", '"x"', '{"auths": {"quay.io": {"auth": "!"}}}', '{"auths": {"quay.io": {"auth": "YQ=="}}}']
)
def test_broken_files_are_told(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "c").write_text(text)
    with pytest.raises(InvalidSpec):
        authfile.look_up(str(tmp_path / "c"), "quay.io")


def test_nothing_there(tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty").touch()
    for name in ("none", "empty", "empty/below"):
        assert authfile.look_up(str(tmp_path / name), "quay.io") == authfile.Found()


def test_store_and_take_out(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "new" / "config.json"
    authfile.store(str(path), "quay.io", ALICE)
    assert os.stat(path).st_mode & 0o777 == 0o600 and os.stat(path.parent).st_mode & 0o777 == 0o700
    assert json.loads(path.read_text()) == {"auths": {"quay.io": AUTH}}
    path.write_text(json.dumps({"psFormat": "x", "auths": {"quay.io": AUTH, "https://quay.io/v1/": AUTH, "o": AUTH}}))
    authfile.store(str(path), "docker.io", ALICE)
    authfile.store(str(path), "quay.io", None)
    assert json.loads(path.read_text()) == {"psFormat": "x", "auths": {"o": AUTH, "https://index.docker.io/v1/": AUTH}}
    assert os.listdir(path.parent) == ["config.json"]


def test_a_link_stays_a_link(tmp_path: pathlib.Path) -> None:
    os.symlink("real", tmp_path / "link")
    authfile.store(str(tmp_path / "link"), "quay.io", ALICE)
    assert (
        os.path.islink(tmp_path / "link") and authfile.look_up(str(tmp_path / "real"), "quay.io").credentials == ALICE
    )


def test_where_it_is() -> None:
    assert authfile.default_path({"HOME": "/home/x"}) == "/home/x/.docker/config.json"
    assert authfile.default_path({"HOME": "/home/x", "DOCKER_CONFIG": "/d"}) == "/d/config.json"
    assert authfile.default_path({}) == "/root/.docker/config.json"


def test_a_password_is_in_no_text() -> None:
    assert "p:w" not in repr(ALICE) and "p:w" not in f"{ALICE}"
