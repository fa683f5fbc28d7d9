# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's docker-registry and the modules: log in, push, remove, pull back, to a file and back, and from one host to many."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.berth.containers.tests.kernel.registry.servers import (
    PASSWORD,
    USER,
    Authority,
    docker_registry,
    htpasswd,
)

from .conftest import ROOT, World

if TYPE_CHECKING:
    from collections.abc import Iterator


class Registry:
    """A registry with TLS that knows one user: its host:port, and what opens it."""

    def __init__(self, name: str, ca_cert: str, authfile: pathlib.Path) -> None:
        self.name, self.authfile = name, authfile
        self.access = {"ca_cert": ca_cert, "authfile": str(authfile)}
        self.login = {"registry": name, "username": USER, "password": PASSWORD, **self.access}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    home = tmp_path_factory.mktemp("registry")
    authority = Authority(home)
    with docker_registry(home / "registry", authority, htpasswd(home)) as name:
        yield Registry(name, authority.ca_cert, home / "auth/config.json")


@pytest.fixture(scope="module", autouse=True)
def made(world: World) -> dict[str, Any]:
    image: dict[str, Any] = world.run("container_image", {"name": "made", "bootstrap": "busybox"})["image"]
    return image


def order(world: World, *tasks: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Check, run, run again, check again, for tasks that don't need each other: each changes something once, as predicted."""
    named = [
        {"name": f"step {at}", f"berth.containers.{module}": options} for at, (module, options) in enumerate(tasks)
    ]

    def play(*arguments: str) -> list[dict[str, Any]]:
        run = world.play(named, "--diff", *arguments).ok()
        return [run[task["name"]] for task in named]

    before = world.census()
    expected = play("--check")
    assert world.census() == before
    made = play()
    assert [result["diff"] for result in made] == [result["diff"] for result in expected]
    assert [result["changed"] for result in (*made, *expected)] == [True] * len(tasks) * 2
    after = world.census()
    for again in (play(), play("--check")):
        assert [result["changed"] for result in again] == [False] * len(tasks)
        assert [result["diff"]["before"] for result in again] == [result["diff"]["after"] for result in made]
    assert set(world.census()) == set(after)
    return made


def test_there_and_back(world: World, registry: Registry, made: dict[str, Any]) -> None:
    name = f"{registry.name}/team/app:1"
    order(world, ("container_registry_login", registry.login))
    assert PASSWORD not in registry.authfile.read_text()
    assert registry.authfile.stat().st_mode & 0o777 == 0o600
    (pushed,) = order(world, ("container_image_push", {"name": "made", "destination": name, **registry.access}))
    assert (pushed["destination"], pushed["digest"]) == (name, made["digest"])
    assert pushed["diff"]["before"] == {"name": name, "state": "absent"}
    world.run("container_image", {"name": "made", "state": "absent"})
    pull = {"name": name, **registry.access}
    (pulled,) = order(world, ("container_image", pull))
    assert pulled["image"]["digest"] == made["digest"]
    policies = [{"berth.containers.container_image": {**pull, "pull": policy}} for policy in ("always", "never")]
    assert world.play(policies).ok().changed == []
    order(
        world,
        ("container_image", {"name": name, "state": "absent"}),
        ("container_registry_login", {**registry.access, "registry": registry.name, "state": "absent"}),
    )
    (failure,) = world.attempt("container_image", pull).failures
    assert registry.name in failure


def test_a_password_is_in_no_output(world: World, registry: Registry, tmp_path: pathlib.Path) -> None:
    wrong = "not-the-horse"
    own = {**registry.access, "authfile": str(tmp_path / "config.json")}
    tries = (
        ("container_registry_login", {**registry.login, **own, "password": wrong}),
        ("container_image", {"name": f"{registry.name}/no/such", **own, "registry_username": USER, "registry_password": wrong}),
        ("container_image_push", {"name": "made", "destination": f"{registry.name}/a/b", **own,
                                  "registry_username": USER, "registry_password": wrong}),
        ("environment", {"images": [{"name": "made", "registry_password": wrong}]}),
    )  # fmt: skip
    world.run("container_image", {"name": "made", "bootstrap": "busybox"})
    for module, options in tries:
        run = world.attempt(module, options)
        assert run.failures
        assert wrong not in json.dumps([line["result"] for line in run.lines])
    assert not (tmp_path / "config.json").exists()


def test_to_files_and_back(world: World, tmp_path: pathlib.Path) -> None:
    image = world.run("container_image", {"name": "made", "bootstrap": "busybox"})["image"]
    paths = {form: str(tmp_path / form) for form in ("oci-archive", "oci-dir", "docker-archive")}
    order(
        world,
        *(("container_image_export", {"name": "made", "path": path, "format": form}) for form, path in paths.items()),
    )
    loaded = order(
        world, *(("container_image", {"name": f"{form}:1", "archive": path}) for form, path in paths.items())
    )
    assert {result["image"]["digest"] for result in loaded} == {image["digest"]}
    absent = [{"berth.containers.container_image": {"name": f"{form}:1", "state": "absent"}} for form in paths]
    world.play(absent).ok()


def test_an_environment_pulls(world: World, registry: Registry) -> None:
    name = f"{registry.name}/team/env:1"
    push(world, registry, name)
    world.run("container_registry_login", registry.login)
    entry = {"name": name, **registry.access}
    order(world, ("environment", {"images": [entry]}))
    world.run("environment", {"images": [{"name": name, "state": "absent"}]})
    (failure,) = world.attempt("environment", {"images": [{**entry, "client_key": "/k"}]}).failures
    assert "client_cert" in failure


def push(world: World, registry: Registry, name: str) -> None:
    login = {"registry_username": USER, "registry_password": PASSWORD}
    world.run("container_image", {"name": "made", "bootstrap": "busybox"})
    world.run("container_image_push", {"name": "made", "destination": name, **registry.access, **login})


def test_one_pulls_and_feeds_the_others(world: World, registry: Registry, tmp_path: pathlib.Path) -> None:
    name = f"{registry.name}/team/fan:1"
    push(world, registry, name)
    world.run("container_registry_login", {**registry.login, "authfile": str(tmp_path / "docker/config.json")})
    ansible = world.ansible
    own = {"DOCKER_CONFIG": str(tmp_path / "docker"), "SSL_CERT_FILE": registry.access["ca_cert"]}
    hosts = {f"web{number}": {"fan_out_root": str(tmp_path / f"web{number}")} for number in (1, 2, 3)}
    local = {"ansible_connection": "local", "ansible_become": False}
    inventory = ansible.inventory({host: {**local, **more} for host, more in hosts.items()})
    for expected in (3, 0):
        run = ansible.run_file(
            ROOT / "playbooks/fan_out.yml", inventory=inventory, environment=own, fan_out_image=name
        ).ok()
        assert len(run.changed) == expected
    images = [line["result"]["image"] for line in run.lines if "image" in line["result"]]
    assert [image["name"] for image in images] == [name] * 3
    assert len({image["digest"] for image in images}) == 1
