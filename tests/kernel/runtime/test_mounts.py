# SPDX-License-Identifier: GPL-3.0-or-later
"""config.json's "mounts" and what else furnishes a root, as the container sees it: mountinfo, files, devices."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import stat
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    Conflict,
    EngineError,
    InvalidSpec,
    NotFound,
    Refused,
    Unsupported,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import mounts
from ansible_collections.berth.containers.tests.kernel.house import Done
from ansible_collections.berth.containers.tests.kernel.runtime.cell import DEV, KINDS, PROC, START, Cell, bind, tmpfs

BOTH = pytest.mark.parametrize("user", [False, True], ids=["host", "userns"])
INFO = "cat /proc/self/mountinfo"
# A command in the mount namespace of the tests: the host's side of a container is in one of its own.
HERE = ("nsenter", f"--mount=/proc/{os.getpid()}/ns/mnt")
SYS = {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}


def table(done: Done) -> dict[str, tuple[set[str], list[str], str, set[str]]]:
    """Of every mount point in mountinfo: its options, its propagation, its type, the file system's options. The last one wins."""
    assert done.code == 0, done.out
    found = {}
    for line in done.out.splitlines():
        left, _unused, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")
        found[fields[4]] = (set(fields[5].split(",")), fields[6:], kind[0], set(kind[2].split(",")))
    return found


@contextlib.contextmanager
def mounted(place: pathlib.Path, *, shared: bool = False) -> Iterator[pathlib.Path]:
    """A tmpfs of the test's own on the host, gone afterwards."""
    place.mkdir(exist_ok=True)
    mounts.mount("tmpfs", str(place), "tmpfs", 0, "size=32m")
    try:
        mounts.set_propagation(str(place), mounts.MS_SHARED if shared else mounts.MS_PRIVATE)
        yield place
    finally:
        subprocess.run(["umount", "-R", str(place)], check=True)


# What is asked for, and what a mount then has and lacks in mountinfo.
WORDS = [
    ("ro", {"ro"}, {"rw"}),
    ("rw", {"rw"}, {"ro"}),
    ("nosuid", {"nosuid"}, set()),
    ("nodev", {"nodev"}, set()),
    ("noexec", {"noexec"}, set()),
    ("noatime", {"noatime"}, {"relatime"}),
    ("nodiratime", {"nodiratime", "relatime"}, set()),
    ("relatime", {"relatime"}, {"noatime"}),
    ("strictatime", set(), {"relatime", "noatime"}),
    ("nosymfollow", {"nosymfollow"}, set()),
    ("nosuid,suid", set(), {"nosuid"}),
    ("nodev,dev", set(), {"nodev"}),
    ("noexec,exec", set(), {"noexec"}),
    ("ro,rw", {"rw"}, {"ro"}),
    ("noatime,atime", {"relatime"}, {"noatime"}),
    ("nodiratime,diratime", set(), {"nodiratime"}),
    ("nosymfollow,symfollow", set(), {"nosymfollow"}),
    ("strictatime,nostrictatime", {"relatime"}, set()),
    ("rro", {"ro"}, {"rw"}),
    ("rnosuid", {"nosuid"}, set()),
    ("rnoatime", {"noatime"}, set()),
    ("silent,loud,defaults,iversion", {"rw"}, {"ro"}),
]


@BOTH
def test_every_attribute_of_new_mounts_and_of_binds(cell: Cell, user: bool, tmp_path: pathlib.Path) -> None:
    pathlib.Path(tmp_path, "source").mkdir()
    entries = [tmpfs("/mnt")]
    for number, (options, _has, _lacks) in enumerate(WORDS):
        entries += [
            tmpfs(f"/mnt/new{number}", *options.split(",")),
            bind(tmp_path / "source", f"/mnt/bind{number}", *options.split(",")),
        ]
    found = table(cell.run(INFO, *entries, user=user))
    for number, (options, has, lacks) in enumerate(WORDS):
        for kind in ("new", "bind"):
            attributes = found[f"/mnt/{kind}{number}"][0]
            assert has <= attributes and not lacks & attributes, (kind, options, attributes)


def test_attributes_of_the_whole_file_system(cell: Cell) -> None:
    found = table(cell.run(INFO, tmpfs("/mnt", "sync", "dirsync", "mand", "lazytime", "size=64k", "mode=0711")))
    assert {"sync", "dirsync", "lazytime", "size=64k", "mode=711"} <= found["/mnt"][3]
    assert "sync" not in table(cell.run(INFO, tmpfs("/mnt", "sync", "async")))["/mnt"][3]


@BOTH
def test_recursive_words_reach_what_lies_below(cell: Cell, user: bool, tmp_path: pathlib.Path) -> None:
    with mounted(tmp_path / "top") as top, mounted(top / "below"):
        entries = (
            bind(top, "/mnt/plain", "rbind", "ro", "nosuid"),
            bind(top, "/mnt/deep", "rbind", "rro", "rnosuid", "rnoexec"),
            bind(top, "/mnt/one"),
        )
        found = table(cell.run(INFO, tmpfs("/mnt"), *entries, user=user))
    assert {"ro", "nosuid"} <= found["/mnt/plain"][0]
    assert not {"ro", "nosuid"} & found["/mnt/plain/below"][0]
    for place in ("/mnt/deep", "/mnt/deep/below"):
        assert {"ro", "nosuid", "noexec"} <= found[place][0]
    assert "/mnt/one/below" not in found


@BOTH
def test_kinds_of_places_and_relative_destinations(cell: Cell, user: bool, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("hello")
    (tmp_path / "directory").mkdir()
    done = cell.run(
        "cat /mnt/deep/er/file; [ -d /mnt/dir ] && echo D; cat /mnt/relative /mnt/dots",
        tmpfs("/mnt"),
        bind(tmp_path / "file", "/mnt/deep/er/file"),
        bind(tmp_path / "directory", "/mnt/dir"),
        bind(tmp_path / "file", "mnt/relative"),
        bind(tmp_path / "file", "/mnt/x/./../dots"),
        user=user,
    )
    assert done.out == "helloD\nhellohello"


def test_what_can_not_be_mounted_says_why(cell: Cell, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("x")
    cases: list[tuple[dict[str, Any], type[EngineError], str]] = [
        (bind(tmp_path / "nowhere", "/mnt/x"), NotFound, "nowhere does not exist"),
        (bind(tmp_path / "file", "/a"), Refused, "/a is a directory"),
        (bind(tmp_path, "/file"), Refused, "/file is a file"),
        (bind(tmp_path, "/file/x"), Refused, "below a file"),
        (bind(tmp_path, "/"), InvalidSpec, "over the root"),
        ({"destination": "", "type": "tmpfs"}, InvalidSpec, "no destination"),
        ({"destination": "/mnt"}, InvalidSpec, "has no type"),
        ({"destination": "/mnt", "type": "bind"}, InvalidSpec, "without a source"),
        ({"destination": "/mnt", "type": "nonsensefs"}, Unsupported, "nonsensefs"),
        (tmpfs("/mnt", "nonsense=1"), EngineError, "nonsense"),
        (tmpfs("/mnt", "idmap"), InvalidSpec, "only a bind"),
        (bind(tmp_path, "/mnt", "idmap"), InvalidSpec, "idmap needs"),
    ]
    for entry, kind, said in cases:
        with pytest.raises(kind, match=said):
            cell.run("true", entry)


@pytest.mark.parametrize("place", ["proc", "sys", "dev"])
def test_no_link_stands_in_for_the_kernels_directories(cell: Cell, place: str, tmp_path: pathlib.Path) -> None:
    """CVE-2019-19921, CVE-2026-41579: an image whose /proc, /sys or /dev leads elsewhere."""
    top = tmp_path / "root"
    subprocess.run(["cp", "-a", cell.top, str(top)], check=True)
    shutil.rmtree(top / place)
    (top / place).symlink_to("/a")
    hostile = Cell(str(top), cell.scratch)
    for entries in ((PROC, DEV, SYS), (tmpfs(f"/{place}/x"),)):
        with pytest.raises(Refused, match="is a link"):
            hostile.run("true", mounts_before=entries)


def test_links_elsewhere_stay_below_the_root(cell: Cell, tmp_path: pathlib.Path) -> None:
    """CVE-2021-30465: whatever a link says, the mount lands inside."""
    top = tmp_path / "root"
    subprocess.run(["cp", "-a", cell.top, str(top)], check=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    (top / "out").symlink_to("../" * 30 + str(outside))
    (top / "abs").symlink_to("/a")
    hostile = Cell(str(top), cell.scratch)
    with pytest.raises(Refused, match="link to nothing"):
        hostile.run(INFO, tmpfs("/out/here"))
    inside = pathlib.Path(f"{top}{outside}")
    inside.mkdir(parents=True)
    found = table(hostile.run(INFO, tmpfs("/abs/here"), tmpfs("/out/here")))
    assert {"/a/here", f"{outside}/here"} <= set(found)
    assert list(outside.iterdir()) == []
    assert [path.name for path in inside.iterdir()] == ["here"]


@BOTH
def test_the_order_of_the_list_is_the_order_of_mounting(cell: Cell, user: bool) -> None:
    found = table(
        cell.run(
            INFO, tmpfs("/mnt", "ro"), tmpfs("/tmp"), tmpfs("/tmp/x", "nosuid"), tmpfs("/tmp/x", "noexec"), user=user
        )
    )
    assert "noexec" in found["/tmp/x"][0]
    hidden = cell.run("ls /mnt", tmpfs("/mnt"), tmpfs("/mnt/under"), tmpfs("/mnt"), user=user)
    assert hidden.out == ""


@BOTH
def test_remount(cell: Cell, user: bool) -> None:
    again = tmpfs("/mnt", "remount", "size=32k")
    found = table(cell.run(INFO, tmpfs("/mnt", "size=64k"), again, user=user))
    assert "size=32k" in found["/mnt"][3]
    again = tmpfs("/mnt", "remount", "bind", "ro", "noexec")
    found = table(cell.run(INFO, tmpfs("/mnt", "size=64k"), again, user=user))
    assert {"ro", "noexec"} <= found["/mnt"][0]
    assert "size=64k" in found["/mnt"][3]
    with pytest.raises(InvalidSpec, match="can't be remounted"):
        cell.run("true", tmpfs("/a", "remount", "bind", "ro"))


@BOTH
def test_copy_up(cell: Cell, user: bool, tmp_path: pathlib.Path) -> None:
    source = tmp_path / "source"
    (source / "d/e").mkdir(parents=True)
    (source / "d/e/file").write_text("text")
    os.chown(source / "d/e/file", START + 7 if user else 7, START + 8 if user else 8)
    (source / "d/e/file").chmod(0o4755)
    os.utime(source / "d/e/file", (5, 5))
    (source / "link").symlink_to("/etc/shadow")
    os.mkfifo(source / "fifo")
    for path in (source, source / "d", source / "d/e", source / "link", source / "fifo"):
        os.chown(path, START if user else 0, START if user else 0, follow_symlinks=False)
    source.chmod(0o750)
    (pathlib.Path(cell.top) / "a").chmod(0o755)
    done = cell.run(
        "cd /mnt/x; stat -c '%n %a %u %g %Y %F' . d/e/file; readlink link; [ -p fifo ] && echo P; cat d/e/file; echo x >y",
        tmpfs("/mnt"),
        bind(source, "/mnt/x"),
        tmpfs("/mnt/x", "tmpcopyup", "ro"),
        user=user,
    )
    lines = done.out.splitlines()
    assert lines[0].startswith(". 750 0 0")
    assert lines[1] == "d/e/file 4755 7 8 5 regular file"
    assert lines[2:4] == ["/etc/shadow", "P"]
    assert lines[4].startswith("text")
    assert "Read-only" in done.out


def test_mounts_of_the_hosts_reach_slaves_and_no_others(cell: Cell, tmp_path: pathlib.Path) -> None:
    """And those of a container's reach the host where the mount is shared, and nowhere else."""
    with mounted(tmp_path / "top", shared=True) as top:
        for name in ("private", "slave", "shared", "none"):
            (top / name).mkdir()
        entries = [
            bind(top, f"/mnt/{name}", *(() if name == "none" else (f"r{name}",)))
            for name in ("private", "slave", "shared", "none")
        ]

        def later(_pid: int) -> None:
            (top / "later").mkdir()
            subprocess.run([*HERE, "mount", "-t", "tmpfs", "later", str(top / "later")], check=True)

        script = (
            "while [ ! -e /mnt/private/later ]; do sleep 0.01; done; sleep 0.05;"
            'for n in private slave shared none; do grep -q " /mnt/$n/later " /proc/self/mountinfo && echo $n; done;'
            "for n in private slave shared none; do mount -t tmpfs in$n /mnt/$n/$n; done"
        )
        done = cell.run(script, tmpfs("/mnt"), *entries, outside=later, kinds=KINDS, capabilities=ALL)
        seen = pathlib.Path("/proc/self/mountinfo").read_text()
    assert done.out.split("\n")[:2] == ["slave", "shared"], done.out
    assert [name for name in ("private", "slave", "shared", "none") if f" - tmpfs in{name} " in seen] == ["shared"]


ALL = {
    kind: ["CAP_SYS_ADMIN", "CAP_CHOWN", "CAP_MKNOD", "CAP_NET_ADMIN"]
    for kind in ("bounding", "permitted", "effective")
}


@pytest.mark.parametrize(
    ("word", "tags"),
    [("", ()), ("private", ()), ("shared", ("shared:",)), ("rslave", ()), ("unbindable", ("unbindable",))],
)
def test_propagation_of_the_root(cell: Cell, word: str, tags: tuple[str, ...]) -> None:
    found = table(cell.run(INFO, linux={"rootfsPropagation": word}))
    marks = found["/"][1]
    for tag in ("shared:", "unbindable"):
        assert any(mark.startswith(tag) for mark in marks) == (tag in tags), marks
    with pytest.raises(InvalidSpec, match="rootfsPropagation"):
        cell.run("true", linux={"rootfsPropagation": "nonsense"})


def test_a_slave_root_sees_what_the_host_mounts_below_it(cell: Cell, tmp_path: pathlib.Path) -> None:
    with mounted(tmp_path / "top", shared=True) as top:
        subprocess.run(["cp", "-a", f"{cell.top}/.", str(top)], check=True)
        inner = Cell(str(top), cell.scratch)

        def later(_pid: int) -> None:
            subprocess.run([*HERE, "mount", "-t", "tmpfs", "later", str(top / "tmp")], check=True)

        for word, sees in (("rslave", True), ("rprivate", False)):
            done = inner.run(
                "sleep 0.1; grep ' /tmp ' /proc/self/mountinfo", outside=later, linux={"rootfsPropagation": word}
            )
            assert ("later" in done.out) == sees, word
            subprocess.run(["umount", str(top / "tmp")], check=True)


def test_read_only_root(cell: Cell) -> None:
    done = cell.run("touch /x; touch /mnt/y && echo fine", tmpfs("/mnt"), readonly=True)
    assert "Read-only" in done.out and done.out.endswith("fine\n")


@BOTH
def test_ids_of_a_bind(cell: Cell, user: bool, tmp_path: pathlib.Path) -> None:
    source = tmp_path / "source"
    (source / "below").mkdir(parents=True)
    for name, owner in (("root", 0), ("seven", 7)):
        (source / name).write_text("")
        os.chown(source / name, owner, owner)
    own = {
        f"{kind}Mappings": [
            {"containerID": 0, "hostID": 0 if not user else START, "size": 7},
            {"containerID": 7, "hostID": 1000 + (START if user else 0), "size": 1},
        ]
        for kind in ("uid", "gid")
    }
    show = "stat -c '%u:%g' /mnt/x/root /mnt/x/seven"
    done = cell.run(show, tmpfs("/mnt"), bind(source, "/mnt/x", **own), user=user)
    assert done.out.split() == ["0:0", "1000:1000"]
    if user:
        assert cell.run(show, tmpfs("/mnt"), bind(source, "/mnt/x", "idmap"), user=True).out.split() == ["0:0", "7:7"]
        assert cell.run(show, tmpfs("/mnt"), bind(source, "/mnt/x"), user=True).out.split() == ["65534:65534"] * 2


def test_ids_that_can_not_be_mapped_are_an_error(cell: Cell) -> None:
    with pytest.raises(Unsupported, match="can't be mapped"):
        cell.run("true", bind("/proc", "/mnt", "idmap"), user=True)


def test_ids_of_all_below_a_bind(cell: Cell, tmp_path: pathlib.Path) -> None:
    with mounted(tmp_path / "top") as top, mounted(top / "below") as below:
        (below / "file").write_text("")
        show = "stat -c '%u' /mnt/x/below/file"
        seen = [
            cell.run(show, tmpfs("/mnt"), bind(top, "/mnt/x", "rbind", word), user=True).out
            for word in ("idmap", "ridmap")
        ]
    assert seen == ["65534\n", "0\n"]


@BOTH
def test_device_nodes(cell: Cell, user: bool) -> None:
    asked = [
        {"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o644, "uid": 3, "gid": 4},
        {"path": "/dev/deep/er", "type": "b", "major": 7, "minor": 200},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o600},
        {"path": "/dev/full", "type": "u", "major": 1, "minor": 3},
        {"path": "/mnt/else", "type": "c", "major": 1, "minor": 3},
    ]
    done = cell.run(
        "stat -c '%n %a %u:%g %t:%T %F' /dev/mine /dev/deep/er /dev/pipe /dev/full /mnt/else /dev/null; head -c 2 /dev/mine | od -An -tx1;"
        "echo x >/mnt/else && echo written",
        tmpfs("/mnt"),
        user=user,
        linux={"devices": asked},
    )
    assert done.out.splitlines() == [
        "/dev/mine 644 3:4 1:5 character special file",
        "/dev/deep/er 666 0:0 7:c8 block special file",
        "/dev/pipe 600 0:0 0:0 fifo",
        "/dev/full 666 0:0 1:3 character special file",
        "/mnt/else 666 0:0 1:3 character special file",
        "/dev/null 666 0:0 1:3 character special file",
        " 00 00",
        "written",
    ]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"path": "/dev/x", "type": "d", "major": 1, "minor": 1}, InvalidSpec),
        ({"path": "dev/x", "type": "c", "major": 1, "minor": 1}, InvalidSpec),
        ({"path": "/dev/x", "type": "c", "major": 1}, InvalidSpec),
        ({"path": "/dev/pts", "type": "c", "major": 1, "minor": 1}, Conflict),
    ],
)
def test_devices_that_make_no_sense(cell: Cell, entry: dict[str, Any], kind: type[EngineError]) -> None:
    with pytest.raises(kind, match=r"linux\.devices"):
        cell.run("true", linux={"devices": [entry]})


def test_a_root_without_a_dev_of_its_own_gets_the_nodes(cell: Cell, tmp_path: pathlib.Path) -> None:
    top = tmp_path / "root"
    subprocess.run(["cp", "-a", cell.top, str(top)], check=True)
    bare = Cell(str(top), cell.scratch)
    done = bare.run(
        "cd /dev; for n in null zero full random urandom tty; do stat -c '%n %t:%T' $n; done; readlink fd; readlink ptmx",
        mounts_before=(PROC,),
        linux={"maskedPaths": ["/proc/keys"]},
    )
    assert done.out.splitlines()[:6] == ["null 1:3", "zero 1:5", "full 1:7", "random 1:8", "urandom 1:9", "tty 5:0"]
    assert "/proc/self/fd" in done.out
    assert stat.S_ISREG((top / "dev/null").stat().st_mode), "the node must be a mount, not a file of the image"


def test_the_hosts_dev_is_left_as_it_is(cell: Cell) -> None:
    before = sorted(os.listdir("/dev"))
    asked = {"devices": [{"path": "/dev/berth-test", "type": "c", "major": 1, "minor": 3}]}
    done = cell.run("ls /dev | wc -l", mounts_before=(PROC, bind("/dev", "/dev", "rbind")), linux=asked)
    assert int(done.out) == len(before)
    assert sorted(os.listdir("/dev")) == before


@BOTH
def test_hidden_and_read_only_paths(cell: Cell, user: bool) -> None:
    done = cell.run(
        "wc -c </proc/keys; ls /proc/fs /mnt/d | wc -l; wc -c </mnt/f; echo x >/mnt/ro;"
        "echo x >/proc/sys/kernel/domainname; touch /mnt/r/x",
        tmpfs("/mnt"),
        bind(cell.top, "/mnt/d"),
        bind(f"{cell.top}/bin/busybox", "/mnt/f"),
        bind(f"{cell.top}/file", "/mnt/ro"),
        tmpfs("/mnt/r"),
        user=user,
        linux={
            "maskedPaths": ["/proc/keys", "/proc/fs", "/mnt/d", "/mnt/f", "/nowhere", "/proc/nowhere/x"],
            "readonlyPaths": ["/proc/sys", "/mnt/ro", "/mnt/r", "/nowhere"],
        },
    )
    lines = done.out.splitlines()
    assert lines[0] == "0"
    assert lines[2] == "0"
    assert done.out.count("Read-only") == 3


def test_masks_are_the_null_device_or_there_is_no_container(cell: Cell, tmp_path: pathlib.Path) -> None:
    """CVE-2025-31133: an image's own /dev/null must not become what covers /proc/kcore."""
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "null").write_text("#")
    with pytest.raises(Refused, match="not the null device"):
        cell.run("true", mounts_before=(PROC, bind(trap, "/dev")), linux={"maskedPaths": ["/proc/keys"]})


@BOTH
def test_parameters_of_its_own_namespaces(cell: Cell, user: bool) -> None:
    values = {
        "net.ipv4.ip_forward": "1",
        "kernel.shmmni": "99",
        "net/ipv4/conf/lo/forwarding": "1",
        "kernel.msgmax": "12345",
    }
    show = "cd /proc/sys; cat net/ipv4/ip_forward kernel/shmmni net/ipv4/conf/lo/forwarding kernel/msgmax"
    assert cell.run(show, user=user, linux={"sysctl": values}).out.split() == ["1", "99", "1", "12345"]
    for name, value, said in (
        ("kernel.panic", "0", "whole host's"),
        ("vm.overcommit_memory", "1", "whole host's"),
        ("fs.file-max", "1", "whole host's"),
        ("net.ipv4/../../../kernel/panic", "0", "."),
        ("net/../kernel/panic", "0", "whole host's"),
        ("kernel.shmmni", "1\n2", "not one line"),
        ("net.ipv4.nonsense", "1", "for the host alone, or not at all"),
    ):
        with pytest.raises(EngineError, match=said):
            cell.run("true", user=user, linux={"sysctl": {name: value}})
    with pytest.raises(InvalidSpec, match="network namespace"):
        cell.run("true", kinds=("pid", "mount"), linux={"sysctl": {"net.ipv4.ip_forward": "1"}})


def test_parameters_are_written_to_a_procfs_only(cell: Cell, tmp_path: pathlib.Path) -> None:
    (tmp_path / "sys/net/ipv4").mkdir(parents=True)
    (tmp_path / "sys/net/ipv4/ip_forward").write_text("")
    with pytest.raises(Refused, match="no procfs"):
        cell.run("true", mounts_before=(bind(tmp_path, "/proc"), DEV), linux={"sysctl": {"net.ipv4.ip_forward": "1"}})
    assert (tmp_path / "sys/net/ipv4/ip_forward").read_text() == ""


def test_file_systems_that_a_user_namespace_may_not_mount(cell: Cell) -> None:
    """With the host's network, processes or queues it is shown the host's mounts instead, as restricted as it asked."""
    queue = {"destination": "/mnt/q", "type": "mqueue", "source": "mqueue", "options": ["nosuid"]}
    entries = (PROC, DEV, SYS, tmpfs("/mnt"))
    found = table(cell.run(INFO, mounts_before=entries, user=True, kinds=("pid", "mount", "ipc")))
    assert found["/sys"][2] == "sysfs" and {"ro", "nosuid", "noexec"} <= found["/sys"][0]
    done = cell.run("cat /proc/mounts; ls -d /proc/$PPID", mounts_before=entries, user=True, kinds=("mount", "ipc"))
    assert " /proc proc " in done.out and "nosuid" in done.out
    if os.path.ismount("/dev/mqueue"):
        found = table(cell.run(INFO, *entries[3:], queue, user=True, kinds=("pid", "mount")))
        assert found["/mnt/q"][2] == "mqueue"


@BOTH
@pytest.mark.parametrize("own", [True, False], ids=["own", "shared"])
def test_cgroups(cell: Cell, user: bool, own: bool) -> None:
    entry = {
        "destination": "/sys/fs/cgroup",
        "type": "cgroup",
        "source": "cgroup",
        "options": ["ro", "nosuid", "noexec", "nodev"],
    }
    kinds = KINDS if own else tuple(kind for kind in KINDS if kind != "cgroup")
    done = cell.run("cat /proc/self/mountinfo", SYS, entry, user=user, kinds=kinds)
    found = table(done)
    groups = {place: row for place, row in found.items() if place.startswith("/sys/fs/cgroup")}
    assert groups
    for place, row in groups.items():
        assert {"ro", "nosuid", "noexec"} <= row[0], place
    below = [row[2] for place, row in groups.items() if place != "/sys/fs/cgroup"]
    assert set(below) == {"cgroup"} or groups["/sys/fs/cgroup"][2] == "cgroup2"


def test_an_overlay_with_a_long_list_of_layers(cell: Cell, tmp_path: pathlib.Path) -> None:
    layers = [tmp_path / f"a-rather-long-name-of-a-layer-{number}" for number in range(12)]
    for number, layer in enumerate(layers):
        layer.mkdir()
        (layer / f"file{number}").write_text("")
    data = f"lowerdir={':'.join(map(str, layers))}"
    assert len(data) > 300
    entry = {"destination": "/mnt", "type": "overlay", "source": "overlay", "options": [data, "ro", "noexec"]}
    done = cell.run("ls /mnt | wc -l; grep ' /mnt ' /proc/self/mountinfo", entry)
    assert done.out.split()[0] == "12"
    assert "ro,noexec" in done.out.replace("nosuid,", "").replace("nodev,", "")


def test_more_mounts_than_one_message_can_carry(cell: Cell, tmp_path: pathlib.Path) -> None:
    entries = [bind(tmp_path, f"/mnt/m{number}") for number in range(260)]
    done = cell.run("grep -c ' /mnt/m' /proc/self/mountinfo", tmpfs("/mnt"), *entries)
    assert done.out == "260\n"
