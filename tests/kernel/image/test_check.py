# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage anywhere in the store is found and named; what can be made again is, and nothing damaged is ever served."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import stat
import tarfile
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    Damaged,
    EngineError,
    MissingDependency,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.storage import check as checking
from ansible_collections.berth.containers.tests.kernel.image.stores import ask, child, container, write
from ansible_collections.berth.containers.tests.kernel.storage.trees import facts, make_tree, state

ROUNDS = int(os.environ.get("BERTH_DAMAGES", "100"))
SEED = int(os.environ.get("BERTH_SEED", str(random.randrange(10**6))))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paths]:
    """A store with a base of every kind of file, and a child with whiteouts on it."""
    top = tmp_path_factory.mktemp("check")
    make_tree(str(top / "tree"), with_socket=False)
    os.truncate(top / "tree/big", 100_000)
    with state(str(top / "state")) as paths:
        ask(paths, "container_image", name="base", rootfs=str(top / "tree"))
        write(top / "upper", {"new/file": b"new" * 999, "dir/more": b"x"})
        os.mknod(top / "upper/setuid", stat.S_IFCHR, 0)
        os.mkdir(top / "upper/private")
        os.setxattr(top / "upper/private", "trusted.overlay.opaque", b"y")
        child(paths, "base", "child", top / "upper")
        container(paths, "c" * 64, "child")
        yield paths


@pytest.fixture
def paths(sound: Paths, tmp_path: pathlib.Path) -> Iterator[Paths]:
    """A copy of it."""
    with state(str(tmp_path / "state")) as made:
        shutil.rmtree(made.root)
        os.system(f"cp -a {sound.root} {made.root}")
        yield made


def test_a_sound_store(sound: Paths) -> None:
    result = ask(sound, "system_check", check=True).result
    assert (result["problems"], result["ok"]) == ([], True)
    assert result["checked"]["layers"] == 2
    assert result["checked"]["blobs"] == 6
    assert not ask(sound, "system_check", repair=True).changed


class Damage:
    """One random thing that a disk or a hand may do to a store; `undo` takes it back."""

    def __init__(self, paths: Paths, dice: random.Random) -> None:
        self.paths, self.dice = paths, dice
        kind = dice.choice(
            ("blob", "blob", "content", "content", "meta", "meta", "missing", "extra", "index", "record")
        )
        self.story = ""
        getattr(self, f"_{kind}")()

    def _keep(self, path: str) -> None:
        self.path, self.saved = path, f"{self.paths.root}-saved"
        self.time = os.lstat(os.path.dirname(path)).st_mtime_ns
        os.system(f"rm -rf {self.saved}; cp -a '{path}' {self.saved}")

    def undo(self) -> None:
        if os.path.lexists(self.path):
            os.system(f"rm -rf '{self.path}'")
        if os.path.lexists(self.saved):
            os.rename(self.saved, self.path)
        parent = os.path.dirname(self.path)
        os.utime(parent, ns=(self.time, self.time))

    def _turn(self, path: str) -> None:
        """Another byte at a random place, or the file cut there; its times are as before."""
        self._keep(path)
        status = os.stat(path)
        at = self.dice.randrange(status.st_size)
        with open(path, "r+b") as file:
            file.seek(at)
            old = file.read(1)
            file.seek(at)
            file.write(bytes([old[0] ^ (1 << self.dice.randrange(8))]))
            if self.dice.random() < 0.2:
                file.truncate(at)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        self.story = f"byte {at} of {path}"

    def _blob(self) -> None:
        self._turn(f"{self.paths.blobs}/{self.dice.choice(sorted(os.listdir(self.paths.blobs)))}")

    def _index(self) -> None:
        self._turn(f"{self.paths.root}/index.json")

    def _record(self) -> None:
        self._turn(f"{self.paths.container('c' * 64)}/record.json")

    def _some(self, *, files: bool = False) -> str:
        found = []
        for chain in os.listdir(self.paths.layers):
            for directory, inner, names in os.walk(os.fsencode(f"{self.paths.layers}/{chain}/diff")):
                found += [directory + b"/" + name for name in names + ([] if files else inner)]
        usable = []
        for path in sorted(found):
            status = os.lstat(path)
            single = status.st_nlink == 1 and stat.S_ISREG(status.st_mode) and 0 < status.st_size < 1 << 20
            if b"\n" not in path and b"'" not in path and (single or not files):
                usable.append(os.fsdecode(path))
        return self.dice.choice(usable)

    def _content(self) -> None:
        self._turn(self._some(files=True))

    def _missing(self) -> None:
        path = self.dice.choice((
            self._some(), f"{self.paths.layers}/{self.dice.choice(sorted(os.listdir(self.paths.layers)))}",
            f"{self.paths.blobs}/{self.dice.choice(sorted(os.listdir(self.paths.blobs)))}",
        ))  # fmt: skip
        self._keep(path)
        os.system(f"rm -rf '{path}'")
        os.utime(os.path.dirname(path), ns=(self.time, self.time))
        self.story = f"{path} gone"

    def _extra(self) -> None:
        chain = self.dice.choice(sorted(os.listdir(self.paths.layers)))
        self.path, self.saved = f"{self.paths.layers}/{chain}/diff/not-mine", f"{self.paths.root}-saved"
        os.system(f"rm -rf {self.saved}")
        self.time = os.stat(os.path.dirname(self.path)).st_mtime_ns
        os.mkdir(self.path)
        os.utime(os.path.dirname(self.path), ns=(self.time, self.time))
        self.story = f"{self.path} new"

    def _meta(self) -> None:
        path = self._some()
        self._keep(path)
        status = os.lstat(path)
        what = self.dice.choice(("mode", "owner", "time", "attribute"))
        if what == "mode" and not stat.S_ISLNK(status.st_mode):
            os.chmod(path, stat.S_IMODE(status.st_mode) ^ 0o004)
        elif what == "attribute" and stat.S_ISDIR(status.st_mode):
            os.setxattr(path, "trusted.strange", b"1")
        elif what == "owner":
            os.lchown(path, status.st_uid + 1, status.st_gid)
        else:
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1), follow_symlinks=False)
        self.story = f"{what} of {path}"


def test_every_damage_is_found(paths: Paths) -> None:
    dice, missed = random.Random(SEED), []
    for number in range(ROUNDS):
        damage = Damage(paths, dice)
        problems = ask(paths, "system_check").result["problems"]
        if not any(item["name"].rpartition(":")[2] in damage.story for item in problems):
            missed.append(f"seed {SEED}, {number}: {damage.story}: {problems}")
        damage.undo()
        # A hard link that was copied back is none any more; a repair makes it one.
        if ask(paths, "system_check").result["problems"]:
            assert ask(paths, "system_check", repair=True).result["ok"]
    assert missed == []


def content(paths: Paths) -> dict[str, object]:
    """What images and containers have, by name; not how the store keeps it."""
    found: dict[str, object] = {}
    for name in ("base", "child", "far"):
        image = resolve(paths, name)
        found[name] = (image.digest, image.config, [facts(tree) for tree in image.layers])
    return found


def served(paths: Paths, name: str, place: pathlib.Path) -> bytes:
    """The image as it is handed on; b"" when it is refused."""
    place.unlink(missing_ok=True)
    try:
        resolve(paths, name)
        ask(paths, "container_image_export", name=name, path=str(place))
    except EngineError:
        assert not place.exists()
        return b""
    return place.read_bytes()


def bring_back(paths: Paths, sources: dict[str, dict[str, str]]) -> None:
    """Pull what is damaged again; what has no source, and the index, are for --repair."""
    if any(item["kind"] in ("index", "layout") for item in ask(paths, "system_check").result["problems"]):
        ask(paths, "system_check", repair=True)
    for _unused in range(3):
        for name, source in sources.items():
            ask(paths, "container_image", name=name, **source)
        if not ask(paths, "system_check").result["problems"]:
            return


@pytest.mark.parametrize("deduped", [False, True])
def test_damage_is_not_served_and_a_pull_makes_it_whole(paths: Paths, tmp_path: pathlib.Path, deduped: bool) -> None:
    layout, _blob = arrived(tmp_path / "layout")
    sources = {"far": {"archive": str(layout), "platform": "linux/amd64"}}
    ask(paths, "container_image", name="far", **sources["far"])
    for name in ("base", "child"):
        ask(paths, "container_image_export", name=name, path=str(tmp_path / f"{name}.tar"))
        sources[name] = {"archive": str(tmp_path / f"{name}.tar")}
        ask(paths, "container_image", name=name, **sources[name])
    if deduped:
        assert ask(paths, "container_image_dedupe").result["derived"]["files"] == 1
    whole, kept = content(paths), tmp_path / "kept"
    right = {name: served(paths, name, tmp_path / "out.tar") for name in sources}
    dice = random.Random(SEED)
    os.system(f"cp -a {paths.root} {kept}")
    for number in range(ROUNDS // 5):
        damage = Damage(paths, dice)
        story = f"seed {SEED}, {number}: {damage.story}"
        problems = ask(paths, "system_check").result["problems"]
        assert problems, story
        for name in sources:
            given = served(paths, name, tmp_path / "out.tar")
            assert given in (b"", right[name]), story
            hit = any(name + ":latest" in item["images"] for item in problems)
            assert not (hit and given), f"{story}: {problems}"
        bring_back(paths, sources)
        left = ask(paths, "system_check").result["problems"]
        assert [item["kind"] for item in left if item["kind"] != "record"] == [], story
        if not any(item["kind"] == "index" for item in problems):
            assert content(paths) == whole, story
        shutil.rmtree(paths.root)
        os.system(f"cp -a {kept} {paths.root}")


def test_a_mark_goes_when_the_damage_does(paths: Paths) -> None:
    tree = pathlib.Path(resolve(paths, "child").layers[0])
    when = (tree / "new/file").stat().st_mtime_ns
    (tree / "new/file").write_bytes(b"wen" * 999)
    assert ask(paths, "system_check", check=True).changed
    assert resolve(paths, "child")
    assert ask(paths, "system_check").changed
    assert not ask(paths, "system_check").changed
    with pytest.raises(Damaged, match=r"child:latest: layer sha256:.*berth pull child:latest"):
        resolve(paths, "child")
    assert resolve(paths, "base")
    assert len(ask(paths, "container_image_info").result["images"]) == 2
    (tree / "new/file").write_bytes(b"new" * 999)
    os.utime(tree / "new/file", ns=(when, when))
    assert ask(paths, "system_check").changed
    assert resolve(paths, "child")
    pathlib.Path(f"{paths.root}/damage.json").write_text("{")
    with pytest.raises(Damaged, match="run berth system check"):
        resolve(paths, "base")
    assert ask(paths, "system_check").changed
    assert resolve(paths, "base")


def test_a_document_is_what_its_digest_says_whenever_it_is_read(paths: Paths) -> None:
    image = resolve(paths, "base")
    path = pathlib.Path(f"{paths.blobs}/{image.id[7:]}")
    path.write_bytes(path.read_bytes().replace(b'"linux"', b'"Linux"'))
    with pytest.raises(Damaged, match="another content than its digest says"):
        resolve(paths, "base")
    assert resolve(paths, "child")
    found = ask(paths, "container_image_info")
    assert ([item["name"] for item in found.result["images"]], len(found.warnings)) == (["child:latest"], 1)


def test_a_layer_is_unpacked_again(paths: Paths) -> None:
    base, top = (os.path.dirname(path) for path in reversed(resolve(paths, "child").layers))
    before = facts(base + "/diff"), facts(top + "/diff")
    os.unlink(f"{base}/diff/setgid")
    pathlib.Path(f"{top}/diff/new/file").write_bytes(b"other")
    os.unlink(f"{top}/diff/setuid")
    found = ask(paths, "system_check").result
    assert [(item["kind"], item["images"]) for item in found["problems"]] == [
        ("layer", ["base:latest", "child:latest"]),
        ("layer", ["child:latest"]),
    ]
    assert "setgid" in found["problems"][0]["problem"]
    predicted = ask(paths, "system_check", check=True, repair=True)
    done = ask(paths, "system_check", repair=True)
    assert (predicted.changed, predicted.before, predicted.after) == (done.changed, done.before, done.after)
    assert [item["kind"] for item in done.result["repaired"]] == ["layer", "layer"]
    assert done.result["ok"]
    assert (facts(base + "/diff"), facts(top + "/diff")) == before
    again = ask(paths, "system_check", repair=True)
    assert (again.changed, again.result["problems"]) == (False, [])
    assert len(os.listdir(f"{paths.root}/damaged")) == 2
    freed = ask(paths, "container_prune", damaged=True).result
    assert len(freed["damaged"]) == 2
    assert os.listdir(f"{paths.root}/damaged") == []


def test_what_can_not_be_made_again_is_set_aside_and_not_served(paths: Paths, tmp_path: pathlib.Path) -> None:
    name = max(os.listdir(paths.blobs), key=lambda item: os.path.getsize(f"{paths.blobs}/{item}"))
    with open(f"{paths.blobs}/{name}", "r+b") as file:
        file.seek(70_000)
        file.write(b"damage")
    shutil.rmtree(os.path.dirname(resolve(paths, "base").layers[0]))
    done = ask(paths, "system_check", repair=True)
    assert not done.result["ok"]
    assert all("base:latest" in item["remedy"] for item in done.result["set_aside"])
    for image in ("base", "child"):
        with pytest.raises(Damaged):
            resolve(paths, image)
    assert not os.path.exists(f"{paths.blobs}/{name}")


def test_a_damaged_blob_takes_its_tree_out_of_service(paths: Paths) -> None:
    name = max(os.listdir(paths.blobs), key=lambda item: os.path.getsize(f"{paths.blobs}/{item}"))
    with open(f"{paths.blobs}/{name}", "r+b") as file:
        file.write(b"damage")
    assert not ask(paths, "system_check", repair=True).result["ok"]
    for image in ("base", "child"):
        with pytest.raises(Damaged):
            resolve(paths, image)


def put(directory: pathlib.Path, data: bytes, kind: str) -> dict[str, object]:
    digits = hashlib.sha256(data).hexdigest()
    (directory / "blobs/sha256" / digits).write_bytes(data)
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digits}", "size": len(data)}


def tar(*names: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as file:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(name), 1_500_000_000
            file.addfile(member, io.BytesIO(name.encode()))
    return target.getvalue()


def arrived(place: pathlib.Path) -> tuple[pathlib.Path, str]:
    """A layout of an image with two compressed layers, whiteouts in the second; the first blob's name."""
    (place / "blobs/sha256").mkdir(parents=True)
    tars = (
        tar("etc/a", "usr/x/deep", "gone/f", "op/old"),
        tar("etc/b", "gone/.wh.f", "op/.wh..wh..opq", "op/new", "usr/x/more", "new/implied/f", ".wh.none"),
    )
    ids = [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in tars]
    layers = [put(place, gzip.compress(data, mtime=0), "layer.v1.tar+gzip") for data in tars]
    rootfs = {"type": "layers", "diff_ids": ids}
    config = put(
        place, json.dumps({"os": "linux", "architecture": "amd64", "rootfs": rootfs}).encode(), "config.v1+json"
    )
    manifest = json.dumps({"schemaVersion": 2, "config": config, "layers": layers}).encode()
    index = {"schemaVersion": 2, "manifests": [put(place, manifest, "manifest.v1+json")]}
    (place / "index.json").write_text(json.dumps(index))
    (place / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return place, str(layers[0]["digest"])[7:]


def test_compressed_layers_that_came_from_elsewhere_come_back_from_there(tmp_path: pathlib.Path) -> None:
    source, blob = arrived(tmp_path / "layout")
    with state(str(tmp_path / "state")) as paths:
        ask(paths, "container_image", name="far", archive=str(source), platform="linux/amd64")
        assert ask(paths, "system_check").result["problems"] == []
        before = [facts(tree) for tree in resolve(paths, "far").layers]
        for tree in resolve(paths, "far").layers:
            (pathlib.Path(tree) / "extra").touch()
        assert [item["kind"] for item in ask(paths, "system_check", repair=True).result["repaired"]] == ["layer"] * 2
        assert [facts(tree) for tree in resolve(paths, "far").layers] == before
        with open(f"{paths.blobs}/{blob}", "r+b") as file:
            file.seek(30)
            file.write(b"zz")
        assert not ask(paths, "system_check", repair=True).result["ok"]
        with pytest.raises(Damaged):
            resolve(paths, "far")
        assert ask(paths, "container_image", name="far", archive=str(source), platform="linux/amd64").changed
        assert ask(paths, "system_check").result["problems"] == []
        assert [facts(tree) for tree in resolve(paths, "far").layers] == before


def test_a_compression_that_this_host_can_not_read_is_no_damage(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(*_words: object) -> None:
        raise MissingDependency("this needs zstd")

    monkeypatch.setattr(checking, "unpacked", unable)
    found = ask(paths, "system_check", repair=True)
    assert (found.changed, found.result["problems"], len(found.warnings)) == (False, [], 2)
    largest = max(os.listdir(paths.blobs), key=lambda name: os.path.getsize(f"{paths.blobs}/{name}"))
    with open(f"{paths.blobs}/{largest}", "r+b") as file:
        file.write(b"damage")
    assert ask(paths, "system_check").result["problems"]


def test_an_index_that_is_none(paths: Paths) -> None:
    digests = {name: resolve(paths, name).digest for name in ("base", "child")}
    pathlib.Path(f"{paths.root}/index.json").write_text("{")
    with pytest.raises(Damaged):
        resolve(paths, "base")
    assert [item["kind"] for item in ask(paths, "system_check").result["problems"]] == ["index"]
    assert ask(paths, "system_check", repair=True).result["ok"]
    assert resolve(paths, "child").digest == digests["child"]
    assert resolve(paths, digests["base"]).layers
    assert ask(paths, "system_check").result["problems"] == []


def test_a_record_that_is_none(paths: Paths) -> None:
    path = f"{paths.container('c' * 64)}/record.json"
    text = pathlib.Path(path).read_text()
    pathlib.Path(path).write_text(text.replace("child:latest", "chile:latest"))
    (problem,) = ask(paths, "system_check").result["problems"]
    assert (problem["kind"], problem["name"]) == ("record", "c" * 64)
    with pytest.raises(EngineError):
        ask(paths, "container_prune", all=True)
