# SPDX-License-Identifier: GPL-3.0-or-later
"""The same content makes the same upload, with all that tar can say of it."""

from __future__ import annotations

import hashlib
import os
import pathlib
import socket
import tarfile

from ansible_collections.berth.containers.plugins.plugin_utils.upload import archive


def tree(directory: pathlib.Path) -> pathlib.Path:
    (directory / "etc").mkdir(parents=True)
    (directory / "etc/motd").write_text("hello\n")
    (directory / "etc/motd").chmod(0o640)
    os.link(directory / "etc/motd", directory / "etc/hard")
    (directory / "link").symlink_to("etc/motd")
    os.mkfifo(directory / "fifo")
    with open(os.path.join(os.fsencode(directory), b"caf\xe9"), "wb"):
        pass
    for path in sorted(directory.rglob("*"), reverse=True):
        os.utime(path, (1000, 1000), follow_symlinks=False)
    os.utime(directory, (1000, 1000))
    return directory


def test_a_file_is_sent_as_it_is(tmp_path: pathlib.Path) -> None:
    (tmp_path / "base.tar").write_bytes(b"anything")
    assert archive(str(tmp_path / "base.tar"), str(tmp_path)) == (
        str(tmp_path / "base.tar"),
        hashlib.sha256(b"anything").hexdigest(),
    )


def test_equal_directories_have_equal_digests(tmp_path: pathlib.Path) -> None:
    one, same = tree(tmp_path / "one"), tree(tmp_path / "same")
    digest = archive(str(one), str(tmp_path))[1]
    assert archive(str(same), str(tmp_path))[1] == digest
    (same / "etc/motd").chmod(0o600)
    assert archive(str(same), str(tmp_path))[1] != digest


def test_kinds_links_times_and_odd_names_survive(tmp_path: pathlib.Path) -> None:
    source = tree(tmp_path / "tree")
    os.setxattr(source / "etc/motd", "user.note", b"\xff\x00binary")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(source / "socket"))
        path, _digest = archive(str(source), str(tmp_path))
    with tarfile.open(path, errors="surrogateescape") as tar:
        members = {member.name: member for member in tar}
    assert "socket" not in members
    assert members["etc/motd"].mode == 0o640
    assert members["etc/motd"].mtime == 1000
    assert members["link"].linkname == "etc/motd"
    assert members["fifo"].isfifo()
    assert {members["etc/hard"].type, members["etc/motd"].type} == {tarfile.REGTYPE, tarfile.LNKTYPE}
    assert os.fsencode("caf\udce9") == b"caf\xe9"
    assert "caf\udce9" in members
