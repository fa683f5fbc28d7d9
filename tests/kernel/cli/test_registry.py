# SPDX-License-Identifier: GPL-3.0-or-later
"""Images go out to a registry or an archive and come back, and whoever waits sees how far they are."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.tests.kernel.registry.servers import (
    PASSWORD,
    USER,
    Authority,
    docker_registry,
    htpasswd,
)

from .conftest import Berth


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with docker_registry(tmp_path_factory.mktemp("cli-registry") / "home") as name:
        yield name


def digest(berth: Berth, name: str) -> str:
    return str(json.loads(berth.ok("inspect", name))[0]["digest"])


def test_push_and_pull(berth: Berth, plain: str) -> None:
    name, before = f"{plain}/team/base:1", digest(berth, "base")
    pushed = berth("push", "base", name)
    assert pushed.stdout.decode() == f"{name} {before}\n"
    assert b": Complete 2" in pushed.stderr and b"\x1b" not in pushed.stderr
    assert b": Already there" not in berth("push", "base", name).stderr  # the manifest is there, nothing is looked at
    pulled = berth("pull", name)
    assert pulled.stdout.decode() == f"{name} {before}\n"
    assert b"Already there" in pulled.stderr
    assert digest(berth, name) == before
    assert berth.once(name, "echo", "alive").stdout == b"alive\n"
    assert berth.ok("pull", "-q", name).startswith("sha256:")
    berth.ok("rmi", name)
    nobody = berth("pull", f"{plain}/team/nobody")
    assert nobody.returncode == 66
    assert b"team/nobody:latest: not found" in nobody.stderr


def test_bars_on_a_terminal(berth: Berth, plain: str) -> None:
    berth.ok("push", "base", f"{plain}/bars:1")
    fresh = Berth(pathlib.Path(berth.program), pathlib.Path(berth.paths.root).parent / "bars")
    child = fresh.spawn("pull", f"{plain}/bars:1", size=(10, 60))
    try:
        said = child.read()
        assert re.match(rb"\r[0-9a-f]{12}: Waiting 2\.\d+MB\x1b\[K\r\n\x1b\[1A\r", said)
        assert re.search(rb"\r[0-9a-f]{12}: Complete 2\.\d+MB\x1b\[K\r\n", said)
        assert said.count(b"\x1b[1A") >= 1
        assert f"{plain}/bars:1 sha256:".encode() in said
        child.wait()
        assert child.exitstatus == 0
    finally:
        child.close(force=True)
        fresh.ok("rmi", f"{plain}/bars:1")


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci-dir"])
def test_save_and_load(berth: Berth, tmp_path: pathlib.Path, form: str) -> None:
    before, target = digest(berth, "base"), tmp_path / "saved"
    berth.ok("save", "--format", form, "-o", str(target), "base")
    assert berth.ok("load", "-i", "saved", "again:1", cwd=tmp_path) == "again:1\n"
    if form != "docker-archive":  # it has a manifest of its own
        assert digest(berth, "again:1") == before
    assert berth.once("again:1", "echo", "alive").stdout == b"alive\n"
    assert berth.ok("load", "-i", str(target)) == "base:latest\n"
    berth.ok("rmi", "again:1")


def test_pipes(berth: Berth) -> None:
    done = berth.shell("berth save base | berth load -q piped:1")
    assert done.stdout == b"piped:1\n", done.stderr
    berth.ok("rmi", "piped:1")
    assert berth("load", input=b"").returncode != 0


def test_login_and_logout(berth: Berth, tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path)
    words = ("--authfile", str(tmp_path / "auth.json"), "--ca-cert", authority.ca_cert)
    with docker_registry(tmp_path / "home", authority, htpasswd(tmp_path)) as locked:
        refused = berth("login", *words, "-u", USER, "--password-stdin", locked, input=b"wrong\n")
        assert refused.returncode != 0 and b"wrong" not in refused.stderr
        said = berth.ok("login", *words, "-u", USER, "--password-stdin", locked, input=f"{PASSWORD}\n".encode())
        assert said == f"Login Succeeded: {USER} at {locked}\n"
        assert (tmp_path / "auth.json").stat().st_mode & 0o777 == 0o600
        berth.ok("push", *words, "base", f"{locked}/base:1")
        assert berth.ok("logout", *words[:2], locked) == f"{locked} is forgotten\n"
        assert berth("push", *words, "base", f"{locked}/base:2").returncode != 0
        berth.ok("push", *words[2:], "--creds", f"{USER}:{PASSWORD}", "base", f"{locked}/base:2")


def test_a_password_is_asked_for_without_an_echo(berth: Berth, tmp_path: pathlib.Path) -> None:
    authority = Authority(tmp_path)
    with docker_registry(tmp_path / "home", authority, htpasswd(tmp_path)) as locked:
        words = ("--authfile", str(tmp_path / "auth.json"), "--ca-cert", authority.ca_cert)
        child = berth.spawn("login", *words, locked)
        try:
            child.expect(b"Username: ")
            child.sendline(USER)
            child.expect(b"Password: ")
            child.sendline(PASSWORD)
            child.expect(b"Login Succeeded")
            assert PASSWORD.encode() not in child.before
            child.wait()
            assert child.exitstatus == 0
        finally:
            child.close(force=True)


def test_no_terminal_to_ask_at(berth: Berth) -> None:
    said = berth("login", "localhost:1")
    assert (said.returncode, said.stderr.count(b"\n")) == (64, 1)
    assert subprocess.list2cmdline(["--password-stdin"]) in said.stderr.decode()
