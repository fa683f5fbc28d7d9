# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a foreign bundle's mounts land, and what they are like, where its image is not as tidy as one of berth's own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import stat
import subprocess
from collections.abc import Iterator

import pytest

from .conftest import MOUNTS, Runtime


def said(oci: Runtime, bundle: pathlib.Path) -> str:
    done = oci.once(bundle)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def bind(source: pathlib.Path, target: str, *options: str) -> dict[str, object]:
    return {"destination": target, "type": "bind", "source": str(source), "options": ["bind", *options]}


@contextlib.contextmanager
def shared(place: pathlib.Path) -> Iterator[pathlib.Path]:
    """A tmpfs whose mount events travel, as those of most hosts' root do; gone afterwards."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(place)], check=True)
    try:
        subprocess.run(["mount", "--make-rshared", str(place)], check=True)
        yield place
    finally:
        subprocess.run(["umount", "-R", str(place)], check=True)


def flow_of(info: str, target: str) -> list[str]:
    """The marks of a mount point in mountinfo that say how its events travel."""
    found = [line.split(" - ")[0].split()[6:] for line in info.splitlines() if line.split()[4] == target]
    assert len(found) == 1, info
    return found[0]


@pytest.mark.parametrize("link", ["../run/deep/real", "/run/deep/real", "../../../../run/deep/real"])
def test_a_link_to_nothing_gets_what_it_leads_to(oci: Runtime, tmp_path: pathlib.Path, link: str) -> None:
    """Many images have such an /etc/resolv.conf, and callers mount theirs there."""
    (tmp_path / "given").write_text("nameserver\n")
    bundle = oci.bundle(
        "sh", "-c", "cat /etc/resolv.conf /run/deep/real; readlink /etc/resolv.conf",
        mounts=[*MOUNTS, bind(tmp_path / "given", "/etc/resolv.conf")],
    )  # fmt: skip
    os.symlink(link, bundle / "rootfs/etc/resolv.conf")
    assert said(oci, bundle).split() == ["nameserver", "nameserver", link]


def test_a_link_to_nothing_leads_nowhere_outside(oci: Runtime, tmp_path: pathlib.Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    bundle = oci.bundle("ls", "-d", f"{outside}/new/deep", mounts=[*MOUNTS, bind(pathlib.Path("/etc"), "/link/deep")])
    os.symlink(f"../../../../../../../..{outside}/new", bundle / "rootfs/link")
    assert said(oci, bundle) == f"{outside}/new/deep"
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("place", ["proc", "dev", "sys"])
def test_a_link_to_nothing_does_not_stand_in_for_the_kernels_directories(oci: Runtime, place: str) -> None:
    """CVE-2019-19921."""
    bundle = oci.bundle("true")
    os.rmdir(bundle / "rootfs" / place)
    os.symlink("/nothing", bundle / "rootfs" / place)
    assert "link" in oci.refused("run", "-b", str(bundle), "one")
    assert not os.path.lexists(bundle / "rootfs/nothing")


@pytest.mark.parametrize("user", [False, True], ids=["host", "userns"])
def test_a_tmpfs_is_as_open_as_what_it_covers(oci: Runtime, user: bool) -> None:
    places = {"/there": [], "/told": ["mode=710"], "/fresh": []}
    entries = [
        {"destination": name, "type": "tmpfs", "source": "tmpfs", "options": ["ro", *words]}
        for name, words in places.items()
    ]
    bundle = oci.bundle("stat", "-c", "%a", *places, mounts=[*MOUNTS, *entries], user=user)
    for name in ("there", "told"):
        (bundle / "rootfs" / name).mkdir()
        (bundle / "rootfs" / name).chmod(0o712)
    assert said(oci, bundle).split() == ["712", "710", "1777"]


@pytest.mark.parametrize("word", ["", "rprivate", "slave", "rslave", "shared", "rshared", "runbindable"])
def test_nothing_is_mounted_on_the_host_below_a_shared_root(oci: Runtime, tmp_path: pathlib.Path, word: str) -> None:
    with shared(tmp_path / "host") as host:
        (host / "given").mkdir()
        before = pathlib.Path("/proc/self/mountinfo").read_text()
        bundle = oci.bundle(
            "cat", "/proc/self/mountinfo", linux_rootfsPropagation=word, root={"path": str(host / "rootfs")},
            mounts=[*MOUNTS, bind(host / "given", "/peer", "rshared"), bind(host / "given", "/plain")],
        )  # fmt: skip
        shutil.copytree(bundle / "rootfs", host / "rootfs", symlinks=True)
        inside = said(oci, bundle)
        assert pathlib.Path("/proc/self/mountinfo").read_text() == before
    (mark,) = flow_of(before, str(host))
    master = mark.replace("shared", "master")
    assert (master in flow_of(inside, "/")) == ("slave" in word)
    assert mark not in flow_of(inside, "/")
    if "slave" not in word and "unbindable" not in word:
        assert mark in flow_of(inside, "/peer")
    assert master not in flow_of(inside, "/plain")


def test_mountinfo_has_the_order_of_the_list(oci: Runtime, tmp_path: pathlib.Path) -> None:
    (tmp_path / "given").mkdir()
    fresh = {"type": "tmpfs", "source": "tmpfs"}
    entries = [{**fresh, "destination": "/a"}, bind(tmp_path / "given", "/b"), {**fresh, "destination": "/c"},
               bind(pathlib.Path("/etc/passwd"), "/d", "slave"), bind(tmp_path / "given", "/e", "shared")]  # fmt: skip
    lines = said(oci, oci.bundle("cat", "/proc/self/mountinfo", mounts=[*MOUNTS, *entries])).splitlines()
    ours = [line.split()[4] for line in lines if len(line.split()[4]) == 2]
    assert ours == ["/a", "/b", "/c", "/d", "/e"]


def test_a_container_does_not_see_its_own_mounts_in_the_hosts_root(oci: Runtime, tmp_path: pathlib.Path) -> None:
    os.symlink("/", tmp_path / "link")
    entries = [{"destination": name, "type": "bind", "source": str(source), "options": ["rbind", "ro"]}
               for name, source in (("/host", "/"), ("/same", tmp_path / "link"))]  # fmt: skip
    bundle = oci.bundle("cat", "/proc/self/mountinfo", mounts=[*MOUNTS, *entries])
    places = [line.split()[4] for line in said(oci, bundle).splitlines()]
    assert {"/proc", "/host", "/host/proc", "/same", "/same/proc"} <= set(places)
    assert [place for place in places if str(tmp_path) in place] == []


def test_a_bind_is_what_the_caller_sees_at_its_source(oci: Runtime) -> None:
    """It is opened once more by whoever attaches it, and what is not the same there is not taken."""
    bundle = oci.bundle("cat", "/mine/stat", mounts=[*MOUNTS, bind(pathlib.Path("/proc/self"), "/mine")])
    command = [oci.program, "--root", oci.root, "run", "-b", str(bundle), "one"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as caller:
        assert caller.stdout
        assert int(caller.stdout.read().split()[0]) == caller.pid


@pytest.mark.parametrize("user", [False, True], ids=["host", "userns"])
def test_a_terminal_in_a_read_only_root_that_has_the_dev(oci: Runtime, user: bool) -> None:
    entries = [entry for entry in MOUNTS if entry["destination"] != "/dev"]
    bundle = oci.bundle("sh", "-c", "tty; stat -c %t /dev/console; touch /dev/x", process_terminal=True,
                        root={"path": "rootfs", "readonly": True}, mounts=entries, user=user)  # fmt: skip
    (bundle / "rootfs/dev/pts").mkdir()
    os.mknod(bundle / "rootfs/dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    done = oci.once(bundle)
    assert done.stdout.split()[:2] == ["/dev/pts/0", "88"], done
    assert "Read-only" in done.stdout
