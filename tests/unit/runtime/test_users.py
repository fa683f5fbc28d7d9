# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a process becomes: the container's passwd and group files are hostile until proven otherwise, and never lead to root."""

from __future__ import annotations

import os
import pathlib
import time
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import files
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime import users
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.users import Identity, look_up

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
# bob:x:0:0::/:/bin/sh
bob:x:1000:100:Bob:/home/bob:/bin/sh
homeless:x:1001:100:::/bin/sh
short:x:1002
"""
GROUP = "root:x:0:\nusers:x:100:bob\nwheel:x:10:bob,eve\nvideo:x:44:eve\n"


@pytest.fixture
def etc(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Plays the container's /etc."""
    (tmp_path / "passwd").write_text(PASSWD)
    (tmp_path / "group").write_text(GROUP)
    real, real2 = os.open, files.openat2

    def moved(path: Any) -> Any:
        return tmp_path / path[5:] if str(path).startswith("/etc/") else path

    def redirected(path: Any, *rest: Any, **named: Any) -> int:
        return real(moved(path), *rest, **named)

    def redirected2(directory: int, path: str, *rest: Any, **named: Any) -> int:
        return real2(directory, str(moved(path)), *rest, **named)

    monkeypatch.setattr(users.os, "open", redirected)
    monkeypatch.setattr(users.files, "openat2", redirected2)
    return tmp_path


def test_the_grammar(etc: pathlib.Path) -> None:
    assert look_up("") == look_up("0") == look_up("root") == Identity(uid=0, gid=0, home="/root")
    assert look_up("bob") == Identity(uid=1000, gid=100, groups=(100, 10), home="/home/bob")
    assert look_up("1000") == look_up("bob")
    assert look_up("bob:video") == Identity(uid=1000, gid=44, home="/home/bob")
    assert look_up("bob:7") == Identity(uid=1000, gid=7, home="/home/bob")
    assert look_up("4242") == Identity(uid=4242, gid=0)
    assert look_up("4242:4343") == Identity(uid=4242, gid=4343)
    assert look_up("homeless").home == "/"
    assert look_up("bob", ("video", "9")).groups == (100, 10, 44, 9)
    assert look_up("2147483647").uid == 2**31 - 1


@pytest.mark.parametrize(
    "user",
    ["eve", "short", "0_0", "+0", "-1", " 0", "0 ", "0x0", "٣", "²", "1e3", "0.0", "4294967296", "4294967295", "2147483648",
     "00000000000", "bob:nobody-here", "bob:0x0", "bob:+5", "bob:4294967296", "bob\n", "root\0", "# bob", ":root:x"],
)  # fmt: skip
def test_what_is_no_user_is_an_error_and_never_root(etc: pathlib.Path, user: str) -> None:
    with pytest.raises(InvalidSpec):
        look_up(user)


@pytest.mark.parametrize(
    "field",
    ["0_0", "+0", "-0", " 0", "0 ", "0x0", "", "4294967296", "4294967295", "2147483648", "٠", "00000000000", "nan"],
)
def test_a_line_with_a_strange_id_is_no_line(etc: pathlib.Path, field: str) -> None:
    for line in (f"eve:x:{field}:5::/:/bin/sh", f"eve:x:5:{field}::/:/bin/sh"):
        (etc / "passwd").write_text(line + "\n")
        with pytest.raises(InvalidSpec):
            look_up("eve")
    (etc / "passwd").write_text(PASSWD)
    (etc / "group").write_text(f"odd:x:{field}:bob\n")
    with pytest.raises(InvalidSpec):
        look_up("bob:odd")
    assert look_up("bob").groups == ()


def test_a_second_line_of_a_name_does_not_count(etc: pathlib.Path) -> None:
    (etc / "passwd").write_text(PASSWD + "bob:x:0:0::/:/bin/sh\n")
    assert look_up("bob").uid == 1000


def test_files_that_are_none(etc: pathlib.Path, tmp_path: pathlib.Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("eve:x:0:0::/:/bin/sh\n")
    leaked = open(outside)  # noqa: SIM115

    def fifo(path: pathlib.Path) -> None:
        os.mkfifo(path)

    def link(path: pathlib.Path) -> None:
        path.symlink_to(f"/proc/self/fd/{leaked.fileno()}")

    def loop(path: pathlib.Path) -> None:
        path.symlink_to(path.name)

    for make in (lambda path: None, fifo, link, loop, lambda path: path.mkdir()):
        for name in ("passwd", "group"):
            if (etc / name).is_dir():
                (etc / name).rmdir()
            (etc / name).unlink(missing_ok=True)
            make(etc / name)
        begun = time.monotonic()
        with pytest.raises(InvalidSpec):
            look_up("eve")
        assert look_up("4242").uid == 4242
        assert time.monotonic() - begun < 1
    leaked.close()


def test_a_link_is_followed_as_it_stays_in_the_root(etc: pathlib.Path) -> None:
    (etc / "store").mkdir()
    (etc / "passwd").rename(etc / "store/passwd")
    (etc / "passwd").symlink_to("store/passwd")
    assert look_up("bob") == Identity(uid=1000, gid=100, groups=(100, 10), home="/home/bob")


def test_a_huge_file_is_read_so_far(etc: pathlib.Path) -> None:
    with open(etc / "passwd", "wb") as file:
        file.write(PASSWD.encode())
        file.truncate(1 << 40)
    begun = time.monotonic()
    assert look_up("bob").uid == 1000
    with pytest.raises(InvalidSpec):
        look_up("eve")
    assert time.monotonic() - begun < 2


def test_bytes_that_are_no_text(etc: pathlib.Path) -> None:
    (etc / "passwd").write_bytes(b"\xff\xfe:x:0:0::/:/bin/sh\n\0\0\n" + PASSWD.encode() + b"bin\xe9:x:3:3::/:/x\n")
    assert look_up("bob").uid == 1000
