# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from directories and tars: nothing is lost, nothing hostile gets in, nothing changes twice, check mode is exact."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import pathlib
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.answer import Answer
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    Conflict,
    EngineError,
    InvalidSpec,
    NotFound,
    Refused,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.image.converge import container_image
from ansible_collections.berth.containers.plugins.module_utils._engine.image.info import container_image_info
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.records import write_record
from ansible_collections.berth.containers.plugins.module_utils._engine.storage import layers
from ansible_collections.berth.containers.plugins.module_utils._engine.storage.check import digest_of
from ansible_collections.berth.containers.tests.kernel.storage.trees import facts, ledger, make_tree, state
from ansible_collections.berth.containers.tests.unit.storage.tars import END, extended, header, member


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Iterator[Paths]:
    with state(str(tmp_path / "state")) as made:
        yield made


@pytest.fixture
def other(tmp_path: pathlib.Path) -> Iterator[Paths]:
    with state(str(tmp_path / "other")) as made:
        yield made


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> str:
    make_tree(str(tmp_path / "tree"))
    return str(tmp_path / "tree")


def converge(paths: Paths, **params: Any) -> Answer:
    """Check, run, run again, check again: the prediction is exact, and the second run changes nothing."""
    before = ledger(paths.root)
    predicted = container_image(paths, params, check=True)
    assert ledger(paths.root) == before
    done = container_image(paths, params, check=False)
    assert (predicted.changed, predicted.before, predicted.after) == (done.changed, done.before, done.after)
    assert os.listdir(paths.staging) == []
    for check in (False, True):
        again = container_image(paths, params, check=check)
        assert (again.changed, again.before, again.after) == (False, done.after, done.after)
    return done


def without_socket(found: dict[bytes, tuple[object, ...]]) -> dict[bytes, tuple[object, ...]]:
    return {path: fact for path, fact in found.items() if path != b"dir/socket"}


def test_a_directory_keeps_every_kind_of_file(paths: Paths, tree: str) -> None:
    before = ledger(tree)
    done = converge(paths, name="base", rootfs=tree, command="sh", env={"A": "1"}, labels={"k": "v"})
    assert done.changed
    assert any("dir/socket" in warning for warning in done.warnings)
    image = resolve(paths, "base")
    assert facts(image.layers[0]) == without_socket(facts(tree))
    assert os.stat(f"{image.layers[0]}/sparse").st_blocks * 512 < 1 << 20
    assert ledger(tree) == before
    assert image.config == {"Cmd": ["sh"], "Env": ["A=1"], "Labels": {"k": "v"}}
    newest = max(os.lstat(os.path.join(d, n)).st_mtime_ns for d, i, f in os.walk(os.fsencode(tree)) for n in i + f)
    shown = subprocess.run(
        ["date", "-u", "-d", f"@{newest // 10**9}", "+%FT%T"], check=True, capture_output=True, text=True
    )
    assert image.created.startswith(shown.stdout.strip())


@pytest.mark.parametrize("form", ["posix", "gnu"])
@pytest.mark.parametrize("packing", ["", "gz", "xz"])
def test_a_tar_keeps_every_kind_of_file(
    paths: Paths, tree: str, tmp_path: pathlib.Path, form: str, packing: str
) -> None:
    os.unlink(f"{tree}/dir/socket")
    extra = ["--xattrs", "--xattrs-include=*"] if form == "posix" else []
    data = subprocess.run(
        ["tar", "-C", tree, f"--format={form}", "--sparse", "--numeric-owner", *extra, "-cf", "-", "."],
        check=True,
        capture_output=True,
    ).stdout
    archive = tmp_path / f"tree.tar{packing}"
    archive.write_bytes(gzip.compress(data) if packing == "gz" else lzma.compress(data) if packing == "xz" else data)
    converge(paths, name="base", rootfs=str(archive))
    image = resolve(paths, "base")
    expected = facts(tree, times=form == "posix")
    found = facts(image.layers[0], times=form == "posix")
    if form == "gnu":
        expected = {path: (*fact[:6], {}, fact[7]) for path, fact in expected.items()}
    assert found == expected
    assert os.stat(f"{image.layers[0]}/sparse").st_blocks * 512 < 1 << 20


def test_the_same_content_is_the_same_image(paths: Paths, other: Paths, tree: str, tmp_path: pathlib.Path) -> None:
    first = converge(paths, name="base", rootfs=tree).result["image"]
    copy = str(tmp_path / "elsewhere")
    subprocess.run(["cp", "-a", tree, copy], check=True)
    second = converge(other, name="base", rootfs=copy).result["image"]
    assert (first["digest"], first["id"], first["size"]) == (second["digest"], second["id"], second["size"])
    # And the same name from the copy changes nothing here.
    assert not container_image(paths, {"name": "base", "rootfs": copy}, check=False).changed


def test_what_an_image_is_for_can_be_said(paths: Paths, tree: str) -> None:
    assert converge(paths, name="base", rootfs=tree).changed
    here = resolve(paths, "base")
    assert converge(paths, name="base", rootfs=tree, platform="linux/386").changed
    there = resolve(paths, "base")
    assert (there.architecture, there.layers) == ("386", here.layers)
    assert converge(paths, name="base", rootfs=tree).changed
    assert resolve(paths, "base") == here
    assert here.architecture != "386"
    with pytest.raises(InvalidSpec, match="platform: 'a/b/c/d' is none"):
        container_image(paths, {"name": "base", "rootfs": tree, "platform": "a/b/c/d"}, check=True)


def test_packed_or_not_is_the_same_image(paths: Paths, tmp_path: pathlib.Path) -> None:
    data = member(b"f", b"x" * 5000) + END
    digests = set()
    for name, packed in (("a", data), ("b", gzip.compress(data)), ("c", lzma.compress(data))):
        (tmp_path / name).write_bytes(packed)
        digests.add(converge(paths, name=name, rootfs=str(tmp_path / name)).after["digest"])
    assert len(digests) == 1
    assert len(os.listdir(paths.layers)) == 1


def test_a_change_in_the_source_is_noticed(paths: Paths, tree: str) -> None:
    first = converge(paths, name="base", rootfs=tree).after
    with open(f"{tree}/dir/plain", "r+b") as file:
        file.write(b"PLAIN")
    changed = converge(paths, name="base", rootfs=tree)
    assert (changed.changed, changed.before) == (True, first)
    # The image that lost its name is gone, with its layer.
    assert len(os.listdir(paths.layers)) == 1
    assert len(os.listdir(paths.blobs)) == 3


def test_a_change_of_config_reads_no_files(paths: Paths, tree: str) -> None:
    converge(paths, name="base", rootfs=tree, env={"A": "1"})
    layer = resolve(paths, "base").layers
    os.chmod(f"{tree}/private", 0o2750)  # a ctime only: nothing of it is in an image
    done = converge(paths, name="base", rootfs=tree, env={"B": "1"})
    assert done.changed
    assert done.after["config"] == {"Env": ["B=1"]}
    assert resolve(paths, "base").layers == layer


HOSTILE = {
    "parent": member(b"../escaped", b"x"),
    "parent inside": member(b"d/../../escaped", b"x"),
    "absolute": member(b"/escaped", b"x"),
    "absolute in PAX": extended((b"path", b"/escaped")) + member(b"ok", b"x"),
    "symlink parent": member(b"l", kind=b"2", link=b"..") + member(b"l/escaped", b"x"),
    "absolute symlink parent": member(b"l", kind=b"2", link=b"{outside}") + member(b"l/escaped", b"x"),
    "symlink swap": member(b"d/", kind=b"5") + member(b"d", kind=b"2", link=b"{outside}") + member(b"d/escaped", b"x"),
    "hard link out": member(b"h", kind=b"1", link=b"../canary") + member(b"h", b"x"),
    "hard link to an absolute path": member(b"h", kind=b"1", link=b"{outside}/canary"),
    "hard link through a symlink": member(b"l", kind=b"2", link=b"{outside}")
    + member(b"h", kind=b"1", link=b"l/canary"),
    "root is a symlink": member(b".", kind=b"2", link=b"{outside}") + member(b"escaped", b"x"),
    "below a whiteout": member(b".wh.x/escaped", b"x"),
    "size desync": extended((b"size", b"1024")) + header(b"a") + member(b"../escaped", b"x"),
    "claims 8 GiB": header(b"a", size=(1 << 33) - 1) + bytes(4096),
    "cut": None,
    "no tar": b"#!/bin/sh\necho hello\n" * 99,
    "empty": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tars_are_refused_and_nothing_is_touched(paths: Paths, tmp_path: pathlib.Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "canary").write_text("alive")
    data = HOSTILE[name]
    if data is None:
        data = (member(b"a", b"x" * 5000) + END)[:3000]
    elif b"{outside}" in data:
        data = repack(data, str(outside))
    elif name not in ("no tar", "empty"):
        data = member(b"first", b"good") + data + END
    (tmp_path / "bad.tar").write_bytes(data)
    before, watched = ledger(paths.root), ledger(str(outside))
    for check in (True, False):
        with pytest.raises(Refused) as caught:
            container_image(paths, {"name": "bad", "rootfs": str(tmp_path / "bad.tar")}, check=check)
        assert "\n" not in str(caught.value)
    assert ledger(str(outside)) == watched
    assert not list(tmp_path.rglob("escaped"))
    assert set(ledger(paths.root)) == set(before)
    with pytest.raises(NotFound):
        resolve(paths, "bad")


def repack(data: bytes, outside: str) -> bytes:
    """The members again, with the real path in their links."""
    members = []
    while data:
        head = data[:512]
        size = int(head[124:135], 8)
        length = 512 + size + -size % 512
        name, link = head[:100].rstrip(b"\0"), head[157:257].rstrip(b"\0").replace(b"{outside}", outside.encode())
        body = extended((b"linkpath", link)) if link else b""
        members.append(body + member(name, data[512 : 512 + size], head[156:157], link=link[:100]))
        data = data[length:]
    return b"".join(members) + END


def test_whiteouts_of_a_base_hide_nothing_and_smuggled_ones_are_dropped(paths: Paths, tmp_path: pathlib.Path) -> None:
    data = (
        member(b"d/", kind=b"5")
        + member(b"d/f", b"x")
        + member(b"d/.wh.f")
        + member(b".wh..wh..opq")
        + member(b"zero", kind=b"3")
        + extended((b"SCHILY.xattr.trusted.overlay.opaque", b"y"))
        + member(b"e/", kind=b"5")
        + END
    )
    (tmp_path / "x.tar").write_bytes(data)
    converge(paths, name="x", rootfs=str(tmp_path / "x.tar"))
    top = resolve(paths, "x").layers[0]
    assert sorted(os.listdir(top)) == ["d", "e"]
    assert os.listdir(f"{top}/d") == ["f"]
    assert os.listxattr(f"{top}/e") == []
    assert os.stat(top).st_mode & 0o7777 == 0o755


def test_bombs_stop_at_the_limits(paths: Paths, tmp_path: pathlib.Path) -> None:
    (tmp_path / "many.tar").write_bytes(b"".join(member(b"f%d" % n) for n in range(50)) + END)
    (tmp_path / "big.tgz").write_bytes(gzip.compress(member(b"f", bytes(4 << 20)) + END))
    hole = extended(
        (b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"%d" % (1 << 40))
    )
    (tmp_path / "hole.tar").write_bytes(hole + member(b"hole", b"0\n".ljust(512, b"\0")) + END)
    with pytest.raises(Refused, match="max_entries"):
        container_image(paths, {"name": "x", "rootfs": str(tmp_path / "many.tar"), "max_entries": 49}, check=False)
    with pytest.raises(Refused, match="max_unpacked_size"):
        container_image(
            paths, {"name": "x", "rootfs": str(tmp_path / "big.tgz"), "max_unpacked_size": "1M"}, check=False
        )
    converge(paths, name="hole", rootfs=str(tmp_path / "hole.tar"))
    status = os.stat(f"{resolve(paths, 'hole').layers[0]}/hole")
    assert (status.st_size, status.st_blocks) == (1 << 40, 0)
    # And it can be read again as a directory, without a terabyte of zeros.
    converge(paths, name="again", rootfs=resolve(paths, "hole").layers[0])


def test_sources_that_are_not_there_or_make_no_sense(paths: Paths, tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for rootfs, error in (
        (str(tmp_path / "none"), NotFound),
        ("relative", InvalidSpec),
        (str(tmp_path / "fifo"), InvalidSpec),
        (str(tmp_path), InvalidSpec),
        (paths.root, InvalidSpec),
        (f"{tmp_path}/a\0b", InvalidSpec),
    ):
        for check in (True, False):
            with pytest.raises(error):
                container_image(paths, {"name": "x", "rootfs": rootfs}, check=check)
    with pytest.raises(NotFound, match="bootstrap"):
        container_image(paths, {"name": "x", "pull": "never"}, check=False)


def test_bootstrap_runs_and_is_the_same_everywhere(paths: Paths, other: Paths) -> None:
    image = converge(paths, name="base", bootstrap="busybox").result["image"]
    top = resolve(paths, "base").layers[0]
    shown = subprocess.run(
        ["chroot", top, "/bin/sh", "-c", "ls / | sort; id -un; stat -c %a /tmp /root"],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/bin"},
    )
    assert shown.stdout.split()[-3:] == ["root", "1777", "700"]
    assert {"bin", "dev", "etc", "proc", "sys"} <= set(shown.stdout.split())
    assert converge(other, name="base", bootstrap="busybox").result["image"]["digest"] == image["digest"]
    changed = converge(paths, name="base", bootstrap="busybox", env={"A": "1"}, entrypoint=["/bin/ls"]).after["config"]
    assert changed == {"Env": [*image["config"]["Env"], "A=1"], "Entrypoint": ["/bin/ls"]}


def test_images_are_found_by_all_their_names(paths: Paths) -> None:
    converge(paths, name="base:1", bootstrap="busybox")
    image = resolve(paths, "base:1")
    for reference in (
        f"base@{image.digest}",
        image.digest,
        image.id,
        image.id[7:],
        image.id[7:19],
        image.digest[7:25],
        "docker.io/library/base:1",
    ):
        assert resolve(paths, reference) == image
    for reference in ("base", "other:1", f"other@{image.digest}", image.id[7:18], "sha256:" + "0" * 64):
        with pytest.raises(EngineError):
            resolve(paths, reference)


def test_removal_takes_what_nothing_needs(paths: Paths, tree: str) -> None:
    converge(paths, name="one", rootfs=tree)
    converge(paths, name="two", rootfs=tree)
    converge(paths, name="other", bootstrap="busybox")
    digest = resolve(paths, "one").digest
    assert digest == resolve(paths, "two").digest
    with pytest.raises(Conflict, match="2 names"):
        container_image(paths, {"name": digest, "state": "absent"}, check=False)
    assert converge(paths, name="one", state="absent").changed
    assert resolve(paths, "two").digest == digest
    os.makedirs(paths.container("c1"))
    write_record(f"{paths.container('c1')}/record.json", {"image_digest": digest, "spec": {"name": "web"}})
    for check in (True, False):
        with pytest.raises(Conflict, match="web"):
            container_image(paths, {"name": "two", "state": "absent"}, check=check)
    assert converge(paths, name="two", state="absent", force=True).changed
    with pytest.raises(NotFound):
        resolve(paths, "two")
    # The container still has what it stands on, found by digest.
    assert os.path.isdir(resolve(paths, digest).layers[0])
    shutil.rmtree(paths.container("c1"))
    assert converge(paths, name=digest, state="absent").changed
    assert len(os.listdir(paths.layers)) == 1
    assert converge(paths, name="other", state="absent").changed
    assert os.listdir(paths.layers) == os.listdir(paths.blobs) == os.listdir(paths.staging) == []


def test_a_new_image_under_a_used_name_keeps_the_old_one_for_its_container(paths: Paths, tree: str) -> None:
    converge(paths, name="base", rootfs=tree)
    old = resolve(paths, "base")
    os.makedirs(paths.container("c1"))
    write_record(f"{paths.container('c1')}/record.json", {"image_digest": old.digest, "spec": {"name": "web"}})
    converge(paths, name="base", bootstrap="busybox")
    assert resolve(paths, old.digest).layers == old.layers
    assert resolve(paths, "base").digest != old.digest
    assert [item["name"] for item in container_image_info(paths, {}, check=False).result["images"]] == [
        "",
        "base:latest",
    ]


def test_info_tells_all_or_those_asked_for(paths: Paths, tree: str) -> None:
    assert container_image_info(paths, {}, check=False).result == {"images": []}
    converge(paths, name="b", rootfs=tree, labels={"k": "v"})
    converge(paths, name="a", bootstrap="busybox")
    images = container_image_info(paths, {}, check=False).result["images"]
    assert [image["name"] for image in images] == ["a:latest", "b:latest"]
    assert set(images[1]) == {"name", "digest", "id", "size", "layers", "config", "created", "added", "labels"}
    assert images[1]["labels"] == {"k": "v"}
    blobs = json.loads(pathlib.Path(paths.blobs, images[1]["digest"][7:]).read_text())
    assert images[1]["size"] == sum(
        os.stat(f"{paths.blobs}/{item['digest'][7:]}").st_size for item in [*blobs["layers"], blobs["config"]]
    )
    assert container_image_info(paths, {"name": ["a", "none", "a:latest"]}, check=False).result["images"] == images[:1]


def test_lost_parts_are_put_back(paths: Paths, tree: str) -> None:
    image = converge(paths, name="base", rootfs=tree).result["image"]
    for lost in (
        f"{paths.blobs}/{image['digest'][7:]}",
        f"{paths.blobs}/{image['id'][7:]}",
        f"{paths.layers}/{image['layers'][0][7:]}",
    ):
        shutil.rmtree(lost) if os.path.isdir(lost) else os.unlink(lost)
        assert converge(paths, name="base", rootfs=tree).changed
        assert resolve(paths, "base").digest == image["digest"]


def test_the_store_is_private_and_its_blobs_are_what_they_are_called(paths: Paths, tree: str) -> None:
    converge(paths, name="base", rootfs=tree)
    assert stat.S_IMODE(os.stat(paths.root).st_mode) == 0o700
    for name in os.listdir(paths.blobs):
        assert digest_of(f"{paths.blobs}/{name}") == f"sha256:{name}"


def test_another_file_system_below_the_directory_is_left_out(paths: Paths, tree: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "none", f"{tree}/dir/empty"], check=True)
    try:
        pathlib.Path(f"{tree}/dir/empty/secret").write_text("x")
        done = container_image(paths, {"name": "base", "rootfs": tree}, check=False)
    finally:
        subprocess.run(["umount", f"{tree}/dir/empty"], check=True)
    assert os.listdir(f"{resolve(paths, 'base').layers[0]}/dir/empty") == []
    assert any("mounted" in warning for warning in done.warnings)


def test_skopeo_reads_and_copies_the_store(paths: Paths, tree: str, tmp_path: pathlib.Path) -> None:
    converge(paths, name="quay.io/me/base:1", rootfs=tree, labels={"k": "v"})
    shown = json.loads(
        subprocess.run(
            ["skopeo", "inspect", f"oci:{paths.root}:quay.io/me/base:1"], check=True, capture_output=True
        ).stdout
    )
    image = resolve(paths, "quay.io/me/base:1")
    assert (shown["Digest"], shown["Labels"], shown["Os"]) == (image.digest, {"k": "v"}, "linux")
    subprocess.run(
        [
            "skopeo",
            "--insecure-policy",
            "copy",
            "--preserve-digests",
            "-q",
            f"oci:{paths.root}:quay.io/me/base:1",
            f"oci:{tmp_path}/copy:x",
        ],
        check=True,
    )
    assert (tmp_path / "copy/blobs/sha256" / image.digest[7:]).is_file()


def test_force_reads_the_source_again(paths: Paths, tree: str) -> None:
    converge(paths, name="base", rootfs=tree)
    layer = pathlib.Path(resolve(paths, "base").layers[0])
    assert not container_image(paths, {"name": "base", "rootfs": tree, "force": True}, check=False).changed
    assert layer.is_dir()


def test_an_unchanged_source_is_not_unpacked_again(
    paths: Paths, tree: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.tar").write_bytes(member(b"f", b"x") + END)
    for rootfs in (tree, str(tmp_path / "x.tar")):
        container_image(paths, {"name": "base", "rootfs": rootfs}, check=False)
        os.utime(rootfs, ns=(5, 5)) if rootfs != tree else os.chmod(f"{tree}/empty", 0o644)
        time.sleep(0.05)  # what has just changed could change again unseen, so it is read
        with monkeypatch.context() as patched:
            patched.setattr(layers, "Unpacker", None)
            assert not container_image(paths, {"name": "base", "rootfs": rootfs}, check=False).changed
            # What was learnt is remembered: now the source is not even read.
            patched.setattr(layers, "Build", None)
            assert not container_image(paths, {"name": "base", "rootfs": rootfs}, check=False).changed
