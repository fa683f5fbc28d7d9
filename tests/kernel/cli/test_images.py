# SPDX-License-Identifier: GPL-3.0-or-later
"""Images come from what is at hand, and from what a container changed."""

from __future__ import annotations

import io
import json
import os
import pathlib
import re
import tarfile

import pexpect

from .conftest import Berth


def archive() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        member = tarfile.TarInfo("hello")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"hi\n"))
    return target.getvalue()


def test_a_directory_a_tar_and_standard_input(berth: Berth, tmp_path: pathlib.Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "hello").write_text("hi\n")
    assert berth.ok("import", str(tree), "from-tree", "--cmd", "cat /hello").startswith("sha256:")
    assert berth.ok("import", "tree", "from-here", cwd=tmp_path).startswith("sha256:")
    (tmp_path / "x.tar").write_bytes(archive())
    from_file = berth.ok("import", str(tmp_path / "x.tar"), "from-tar:1")
    assert berth.ok("import", "-", "from-stdin", input=archive()) == from_file
    listed = berth.ok("images")
    assert all(name in listed for name in ("from-tree", "from-here", "from-tar", "from-stdin"))
    assert json.loads(berth.ok("inspect", "from-tree"))[0]["config"]["Cmd"] == ["cat", "/hello"]
    assert berth.ok("rmi", "from-tree", "from-here", "from-tar:1", "from-stdin").split()[2] == "from-tar:1"
    assert "from-" not in berth.ok("images")


def test_what_is_no_image(berth: Berth, tmp_path: pathlib.Path) -> None:
    assert berth("import", "/nowhere", "x").returncode == 66
    assert berth("import", "-", "x", input=b"no tar at all" * 1000).returncode == 65
    assert berth("import", "x").returncode == 64
    assert (
        berth("rmi", "nobody").stderr
        == b"berth: image 'nobody' is not on this host: berth images lists those there are\n"
    )
    assert berth("rmi", "nobody").returncode == 66
    assert "x " not in berth.ok("images")


def test_debootstrap_is_followed_on_a_terminal(berth: Berth) -> None:
    """The host's own, which finds no archive there and says so."""
    words = ("import", "--bootstrap", "debootstrap", "--suite", "trixie", "--mirror", "file:///nowhere", "debian")
    terminal = berth.spawn(*words)
    terminal.expect_exact(b"debian:latest: Retrieving InRelease (1)")
    terminal.expect_exact(b"berth: debootstrap trixie ended with status 1: 'E: Failed getting release file")
    terminal.expect(pexpect.EOF)
    quiet = berth(*words)
    assert quiet.returncode != 0 and b"Retrieving" not in quiet.stdout + quiet.stderr
    assert berth("import", "--suite", "trixie", "/etc", "x").returncode == 64
    assert b"needs one, such as trixie" in berth("import", "--bootstrap", "debootstrap", "x").stderr


def test_diff_and_commit(berth: Berth) -> None:
    script = "rm /etc/passwd; echo 1 > /etc/new; mkdir -p /srv/a; ln -s /etc /srv/link; rm -r /root; mkdir /root"
    assert berth("run", "--network", "none", "--name", "changed", "base", "sh", "-c", script).returncode == 0
    assert berth.ok("diff", "changed").splitlines() == [
        "C /etc", "A /etc/new", "D /etc/passwd", "C /root", "C /srv", "A /srv/a", "A /srv/link",
    ]  # fmt: skip
    ident = berth.ok("commit", "-m", "a message", "-c", 'CMD ["cat", "/etc/new"]', "changed", "made")
    assert ident == berth.ok("commit", "-m", "a message", "-c", 'CMD ["cat", "/etc/new"]', "changed", "made")
    assert berth.once("made").stdout == b"1\n"
    assert berth("rmi", "base").returncode == 73
    berth.ok("rm", "changed")
    berth.ok("rmi", "made")


def test_diff_of_a_container_that_did_nothing(berth: Berth) -> None:
    berth.start("--name", "idle", "base", "sleep", "100")
    assert berth.ok("diff", "idle") == ""


def test_an_import_tells_of_itself(berth: Berth, tmp_path: pathlib.Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/big").write_bytes(os.urandom(3 << 20))
    told = berth("import", str(tmp_path / "tree"), "told")
    assert re.fullmatch(rb"told:latest: Complete 3\.\d+MB\n", told.stderr)
    assert told.stdout.startswith(b"sha256:")
    assert berth("import", "--quiet", "--force", str(tmp_path / "tree"), "quiet").stderr == b""
    berth.ok("rmi", "told", "quiet")
