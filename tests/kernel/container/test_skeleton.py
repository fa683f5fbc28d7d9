# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount points below every image: a start makes none, an image's own win, and neither a commit nor a diff ever shows them."""

from __future__ import annotations

import io
import os
import pathlib
import signal
import subprocess
import tarfile
import time
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.container import skeleton
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.tests.kernel.house import House, bare_root

STRIP = "rm -rf proc sys dev etc/hosts etc/hostname etc/resolv.conf"


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A root directory without any of the places that the engine mounts on."""
    return bare_root(tmp_path_factory, STRIP)


def home_of(house: House, made: dict[str, Any]) -> pathlib.Path:
    return pathlib.Path(house.paths.container(made["id"]))


def inodes(top: pathlib.Path) -> set[int]:
    found = {entry.lstat().st_ino for entry in top.rglob("*")}
    return found | {top.lstat().st_ino}


def test_a_running_container_costs_sixteen_inodes_at_most(bare: House) -> None:
    bare.up(image="bare", network_mode="bridge")
    before = inodes(pathlib.Path(bare.paths.root))
    for _unused in range(3):
        bare.up(image="bare", network_mode="bridge")
    assert len(inodes(pathlib.Path(bare.paths.root)) - before) <= 3 * 16


@pytest.mark.parametrize("userns_mode", ["auto", "host"])
def test_a_start_makes_no_mount_point_of_its_own(bare: House, userns_mode: str) -> None:
    made = bare.up(image="bare", userns_mode=userns_mode)
    home = home_of(bare, made)
    assert os.listdir(home / "upper") == []
    assert not (home / "made").exists()
    seen = bare.exec(made["name"], "cat /etc/hostname; stat -c '%a %u:%g' /etc /etc/hosts; ls -d /proc/1 /dev/null")
    assert seen.out.splitlines() == [made["id"][:12], "755 0:0", "644 0:0", "/dev/null", "/proc/1"]


def test_what_an_image_has_itself_wins(house: House, rootfs: str, tmp_path: pathlib.Path) -> None:
    top = tmp_path / "root"
    subprocess.run(["cp", "-a", rootfs, str(top)], check=True)
    (top / "dev").mkdir(mode=0o700)
    (top / "etc/real").write_text("old")
    (top / "etc/resolv.conf").symlink_to("real")
    (top / "etc").chmod(0o711)
    house.ask("container_image", name="own", rootfs=str(top))
    try:
        made = house.up(image="own", dns_servers=["192.0.2.9"])
        seen = house.exec(made["name"], "stat -c %a /etc; readlink /etc/resolv.conf; cat /etc/real")
        assert seen.out.splitlines() == ["711", "real", "nameserver 192.0.2.9"]
        house.clean()
    finally:
        house.ask("container_image", name="own", state="absent")


def test_neither_a_diff_nor_a_commit_shows_it(bare: House) -> None:
    made = bare.up(image="bare")
    assert bare.ask("container_commit", container=made["name"], name="made").result["image"]["layer"] == ""
    bare.exec(made["name"], "touch /etc/passing; rm /etc/passing; chmod 700 /etc; chmod 755 /etc")
    assert bare.ask("container_commit", container=made["name"], name="made").result["image"]["layer"] == ""
    bare.exec(made["name"], "echo 1 >/etc/new")
    bare.ask("container_commit", container=made["name"], name="again")
    top = pathlib.Path(resolve(bare.paths, "again").layers[0])
    assert sorted(str(path.relative_to(top)) for path in top.rglob("*")) == ["etc", "etc/new"]


def _without(paths: Paths, base: str, name: str, entries: list[str], directory: pathlib.Path) -> None:
    """An image on `base` whose upper layer has these whiteouts, as another tool would have made it."""
    blob = io.BytesIO()
    with tarfile.open(fileobj=blob, mode="w") as tar:
        for entry in entries:
            tar.addfile(tarfile.TarInfo(entry))
    (directory / "upper").mkdir()
    from ansible_collections.berth.containers.plugins.module_utils._engine.image.commit import CommitSpec, plan_commit

    for entry in entries:
        above, _slash, leaf = entry.rpartition("/")
        place = directory / "upper" / above
        place.mkdir(exist_ok=True)
        if leaf == ".wh..wh..opq":
            os.setxattr(place, "trusted.overlay.opaque", b"y")
        else:
            os.mknod(place / leaf.removeprefix(".wh."), 0o020000, 0)
    with plan_commit(
        paths, base=resolve(paths, base), upper=str(directory / "upper"), ignore=(), previous=None,
        spec=CommitSpec(name=name), check=False,
    ) as commit:  # fmt: skip
        commit.plan.apply()


@pytest.mark.parametrize("entries", [["etc/.wh.hostname", ".wh.dev"], ["etc/.wh..wh..opq"]])
def test_an_image_that_hides_its_mount_points_gets_them_in_the_upper(
    house: House, entries: list[str], tmp_path: pathlib.Path
) -> None:
    """A whiteout or an opaque directory of the image's hides the skeleton as well."""
    first = house.up()
    house.exec(first["name"], "true")
    with_all = tmp_path / "root"
    subprocess.run(["cp", "-a", resolve(house.paths, "base").layers[0], str(with_all)], check=True)
    subprocess.run(["sh", "-ec", "mkdir -p dev; touch etc/hostname"], cwd=with_all, check=True)
    house.ask("container_image", name="full", rootfs=str(with_all))
    try:
        _without(house.paths, "full", "hiding", entries, tmp_path)
        made = house.up(image="hiding", user="0:0")
        assert house.exec(made["name"], ["cat", "/etc/hostname"]).out == f"{made['id'][:12]}\n"
        recorded = (home_of(house, made) / "made").read_bytes()
        assert b"/etc/hostname\0" in recorded
        assert house.ask("container_commit", container=made["name"], name="made").result["image"]["layer"] == ""
        house.clean()
    finally:
        for name in ("made", "hiding", "full"):
            house.ask("container_image", name=name, state="absent")


@pytest.mark.parametrize("call", ["mkdir", "chmod", "open", "fchmod", "rename"])
def test_killed_while_it_is_made(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    paths = Paths(str(tmp_path / "root"))
    paths.prepare()
    real, count = getattr(os, call), 0

    def die(*words: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count == 3 or call == "rename":
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*words, **named)

    pid = os.fork()
    if pid == 0:
        try:
            monkeypatch.setattr(skeleton.os, call, die)
            skeleton.ensure(paths)
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL
    assert not os.path.exists(f"{paths.skeletons}/1")
    place = pathlib.Path(skeleton.ensure(paths))
    assert {str(path.relative_to(place)).encode() for path in place.rglob("*")} == set(skeleton.MOUNT_POINTS)
    begun = time.monotonic()
    assert skeleton.ensure(paths) == str(place)
    assert time.monotonic() - begun < 1
    os.rmdir(paths.run + "/containers")
