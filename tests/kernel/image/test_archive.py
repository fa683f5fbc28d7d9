# SPDX-License-Identifier: GPL-3.0-or-later
"""Images from archives: every form gives the same tree, hostile ones leave nothing behind, and exports come back as they went."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine import mediatypes
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    Conflict,
    EngineError,
    InvalidSpec,
    NotFound,
    Refused,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.image import converge as converge_module
from ansible_collections.berth.containers.plugins.module_utils._engine.image.archive import names
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.paths import Paths
from ansible_collections.berth.containers.plugins.module_utils._engine.storage import workers
from ansible_collections.berth.containers.tests.kernel.image.archives import (
    Image,
    converge,
    digest,
    joined,
    lay,
    pack,
    packed,
)
from ansible_collections.berth.containers.tests.kernel.image.stores import ask
from ansible_collections.berth.containers.tests.kernel.storage.trees import facts, ledger, overlay, state
from ansible_collections.berth.containers.tests.unit.storage.tars import END, extended, header, member

BASE = (
    header(b"a/", b"5", mode=0o700, mtime=7)
    + member(b"a/gone", b"1")
    + member(b"a/kept", b"2")
    + header(b"b/", b"5", uid=9, mtime=8)
    + member(b"b/old", b"3")
    + member(b"c", b"4")
)
# Only implies a/ and b/, hides from below, and brings what it hides.
UPPER = (
    member(b"a/new", b"5")
    + member(b"a/.wh.gone")
    + member(b"b/.wh..wh..opq")
    + member(b"b/new", b"6")
    + member(b".wh.c")
)
TOP = member(b"a/top", b"7") + member(b"c", b"8")
SEEN = {"a", "a/kept", "a/new", "a/top", "b", "b/new", "c"}


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Iterator[Paths]:
    with state(str(tmp_path / "state")) as made:
        yield made


def seen(paths: Paths, name: str, scratch: pathlib.Path) -> dict[str, tuple[object, ...]]:
    """The image's tree as a container has it."""
    with overlay(str(scratch / "overlay"), resolve(paths, name).layers) as merged:
        return {os.fsdecode(path): fact for path, fact in facts(merged).items() if path}


FORMS: dict[str, Callable[[Image, pathlib.Path], str]] = {
    "oci-dir": lambda image, path: lay(image.files(), path),
    "oci-tar": lambda image, path: pack(image.files(), path),
    "oci-tar-gzip": lambda image, path: pack(image.files(), path, "gzip"),
    "oci-tar-zstd": lambda image, path: pack(image.files(), path, "zstd"),
    "docker": lambda image, path: pack(image.saved("x:1"), path),
    "docker-gzip": lambda image, path: pack(image.saved("x:1"), path, "gzip"),
    "legacy": lambda image, path: pack(image.legacy("x", "1"), path),
}


@pytest.mark.parametrize("how", ["", "gzip", "zstd"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_tree(paths: Paths, tmp_path: pathlib.Path, form: str, how: str) -> None:
    archive = FORMS[form](Image(BASE, UPPER, TOP, how=how, Cmd=["sh"]), tmp_path / "archive")
    done = converge(paths, "container_image", name="x:2", archive=archive)
    assert done.changed
    assert resolve(paths, "x:2").config == {"Cmd": ["sh"]}
    tree = seen(paths, "x:2", tmp_path)
    assert set(tree) == SEEN
    assert tree["a"][1:5] == (0o700, 0, 0, 7 * 10**9)
    assert tree["b"][2] == 9


def test_layers_come_out_as_they_do_one_after_the_other(paths: Paths, tmp_path: pathlib.Path) -> None:
    for number in range(6):
        # The further down, the longer it takes, so that the upper layers are ready first.
        slow = member(b"slow", os.urandom(5 << 20)) if number % 2 == 0 else b""
        image = Image(slow + BASE, UPPER, TOP + slow, how="gzip" if number % 3 else "")
        ask(paths, "container_image", name=f"x:{number}", archive=lay(image.files(), tmp_path / f"a{number}"))
        tree = seen(paths, f"x:{number}", tmp_path)
        assert set(tree) - {"slow"} == SEEN
        assert tree["a"][1:5] == (0o700, 0, 0, 7 * 10**9)


@pytest.mark.parametrize(
    ("between", "above", "mode"),
    [
        (member(b"c"), b"a/b/x", 0o700),
        (member(b".wh.a"), b"a/x", 0o755),
        (header(b"a/", b"5") + member(b"a/.wh..wh..opq"), b"a/b/x", 0o755),
        (member(b"a", b"a file"), b"a/x", 0o755),
    ],
)
def test_what_a_layer_hides_does_not_shape_what_comes_above(
    paths: Paths, tmp_path: pathlib.Path, between: bytes, above: bytes, mode: int
) -> None:
    lowest = header(b"a/", b"5", mode=0o700) + header(b"a/b/", b"5", mode=0o700) + member(b"a/b/old")
    archive = lay(Image(lowest, between, member(above)).files(), tmp_path / "archive")
    ask(paths, "container_image", name="x", archive=archive)
    assert seen(paths, "x", tmp_path)[os.path.dirname(os.fsdecode(above))][1] == mode


def test_the_manifest_and_blobs_stay_byte_for_byte(paths: Paths, tmp_path: pathlib.Path) -> None:
    files = Image(BASE, UPPER).files()
    ask(paths, "container_image", name="x", archive=lay(files, tmp_path / "archive"))
    for name, data in files.items():
        if name.startswith("blobs/"):
            assert pathlib.Path(paths.root, name).read_bytes() == data
    assert json.loads(files["index.json"])["manifests"][0]["digest"] == resolve(paths, "x").digest


def test_what_the_store_has_is_not_asked_for(paths: Paths, tmp_path: pathlib.Path) -> None:
    ask(paths, "container_image", name="x:1", archive=lay(Image(BASE, UPPER).files(), tmp_path / "one"))
    image = Image(BASE, TOP)
    files = image.files()
    del files[f"blobs/sha256/{digest(image.blobs[0])[7:]}"]
    converge(paths, "container_image", name="x:2", archive=lay(files, tmp_path / "two"))
    assert resolve(paths, "x:2").layers[1] == resolve(paths, "x:1").layers[1]


def test_one_blob_may_be_several_layers(paths: Paths, tmp_path: pathlib.Path) -> None:
    ask(paths, "container_image", name="x", archive=lay(Image(BASE, TOP, TOP, b"", b"").files(), tmp_path / "archive"))
    assert len(set(resolve(paths, "x").layers)) == 5


def test_several_images_are_told_apart(paths: Paths, tmp_path: pathlib.Path) -> None:
    key = "org_opencontainers_image_ref.name"
    both = joined(Image(BASE).files(**{key: "one:1"}), Image(BASE, TOP).files(**{key: "docker.io/library/two:1"}))
    archive = pack(both, tmp_path / "archive")
    assert sorted(names(paths, archive)) == ["one:1", "two:1"]
    with pytest.raises(InvalidSpec, match="archive_reference"):
        ask(paths, "container_image", name="x", archive=archive)
    with pytest.raises(NotFound, match="two:1"):
        ask(paths, "container_image", name="x", archive=archive, archive_reference="three")
    converge(paths, "container_image", name="x", archive=archive, archive_reference="two:1")
    converge(paths, "container_image", name="one:1", archive=archive)
    assert [len(resolve(paths, name).layers) for name in ("x", "one:1")] == [2, 1]


def test_a_platform_is_chosen(paths: Paths, tmp_path: pathlib.Path) -> None:
    parts = []
    for architecture in ("amd64", "arm64"):
        image = Image(member(architecture.encode(), b"x"))
        image.config["architecture"] = architecture
        files = image.files()
        index = json.loads(files["index.json"])
        index["manifests"][0]["platform"] = {"os": "linux", "architecture": architecture}
        parts.append({**files, "index.json": json.dumps(index).encode()})
    archive = pack(joined(*parts), tmp_path / "archive")
    done = converge(paths, "container_image", name="x", archive=archive, platform="linux/arm64")
    assert done.warnings == ()
    assert os.listdir(resolve(paths, "x").layers[0]) == ["arm64"]
    with pytest.raises(NotFound, match="linux/amd64, linux/arm64"):
        ask(paths, "container_image", name="x", archive=archive, platform="linux/s390x")


@pytest.mark.parametrize("how", ["", "gzip", "zstd"])
def test_a_plain_layer_becomes_an_image(paths: Paths, tmp_path: pathlib.Path, how: str) -> None:
    (tmp_path / "layer.tar").write_bytes(packed(BASE + END, how))
    converge(paths, "container_image", name="x", archive=str(tmp_path / "layer.tar"), command=["sh"])
    assert resolve(paths, "x").config == {"Cmd": ["sh"]}
    assert "c" in os.listdir(resolve(paths, "x").layers[0])


def test_an_image_has_its_own_settings(paths: Paths, tmp_path: pathlib.Path) -> None:
    with pytest.raises(InvalidSpec, match="settings of its own"):
        ask(paths, "container_image", name="x", archive=pack(Image(BASE).files(), tmp_path / "a"), command=["sh"])


def bent(change: Callable[[Image], object]) -> Callable[[], dict[str, bytes]]:
    def make() -> dict[str, bytes]:
        image = Image(BASE, TOP)
        change(image)
        return image.files()

    return make


def of(*layers: bytes, **options: Any) -> Callable[[], dict[str, bytes]]:
    return lambda: Image(*layers, **options).files()


def without(name: str) -> Callable[[], dict[str, bytes]]:
    return lambda: {key: data for key, data in Image(BASE).files().items() if key != name}


def missing_blob() -> dict[str, bytes]:
    image = Image(BASE, TOP)
    files = image.files()
    del files[f"blobs/sha256/{digest(image.blobs[1])[7:]}"]
    return files


def changed_blob() -> dict[str, bytes]:
    image = Image(BASE, TOP)
    return {**image.files(), f"blobs/sha256/{digest(image.blobs[1])[7:]}": Image(TOP + TOP).blobs[0]}


def other_blob() -> dict[str, bytes]:
    """Another gzip of the same content: the diff id is right, the digest is not."""
    image = Image(BASE)
    name = f"blobs/sha256/{digest(image.blobs[0])[7:]}"
    data = bytearray(image.blobs[0])
    data[9] ^= 1  # the operating system in gzip's header
    return {**image.files(), name: bytes(data)}


def going_on() -> dict[str, bytes]:
    image = Image(BASE)
    image.blobs[0] += b"x"
    image.manifest["layers"][0].update(digest=digest(image.blobs[0]), size=len(image.blobs[0]))
    return image.files()


def cyclic() -> dict[str, bytes]:
    files = Image(BASE).files()
    inner = json.dumps({"schemaVersion": 2, "manifests": json.loads(files["index.json"])["manifests"]}).encode()
    for _unused in range(5):
        files[f"blobs/sha256/{digest(inner)[7:]}"] = inner
        item = {"mediaType": mediatypes.INDEX, "digest": digest(inner), "size": len(inner)}
        inner = json.dumps({"schemaVersion": 2, "manifests": [item]}).encode()
    return {**files, "index.json": inner}


HOSTILE = {
    "dots": of(member(b"../x", b"1")),
    "absolute": of(member(b"/etc/passwd", b"1")),
    "symlink parent": of(header(b"l", b"2", link=b"/etc") + member(b"l/passwd", b"1")),
    "hard link outside": of(header(b"l", b"1", link=b"/etc/passwd")),
    "hard link up": of(header(b"l", b"1", link=b"../../etc/passwd")),
    "whiteout of dots": of(BASE, member(b".wh...", b"")),
    "whiteout of dot": of(BASE, member(b"a/.wh..", b"")),
    "below a whiteout": of(BASE, member(b".wh.a/x", b"1")),
    "two kinds": of(header(b"d/", b"5") + member(b"d", b"1")),
    "too deep": of(member(b"d/" * 200 + b"x", b"") + extended((b"path", b"d/" * 300 + b"x")) + member(b"y")),
    "4096 characters": of(extended((b"path", b"/".join([b"n" * 200] * 21))) + member(b"y")),
    "gzip goes on": going_on,
    "size": bent(lambda image: image.manifest["layers"][0].update(size=1)),
    "longer size": bent(lambda image: image.manifest["layers"][0].update(size=10_000)),
    "diff id": bent(lambda image: image.config["rootfs"].update(diff_ids=["sha256:" + "0" * 64] * 2)),
    "too few diff ids": bent(lambda image: image.config["rootfs"].update(diff_ids=["sha256:" + "0" * 64])),
    "foreign": bent(lambda image: image.manifest["layers"][0].update(
        mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", urls=["http://127.0.0.1/x"])),
    "schema 1": bent(lambda image: image.manifest.update(schemaVersion=1)),
    "two things": bent(lambda image: image.manifest.update(manifests=[])),
    "env": bent(lambda image: image.config.update(config={"Env": [1]})),
    "windows": bent(lambda image: image.config.update(os="windows")),
    "501 layers": bent(lambda image: image.manifest.update(layers=image.manifest["layers"] * 251)),
    "no layers": of(),
    "missing blob": missing_blob,
    "changed blob": changed_blob,
    "other blob": other_blob,
    "indexes of indexes": cyclic,
    "no index": without("index.json"),
    "bomb": of(member(b"x", bytes(300 << 20))),
    "cut": of(member(b"x", b"1"), end=b""),
}  # fmt: skip


@pytest.mark.parametrize("packing", ["dir", "tar"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_leave_nothing_behind(paths: Paths, tmp_path: pathlib.Path, kind: str, packing: str) -> None:
    if packing == "tar" and kind in ("bomb", "501 layers"):
        kind = "missing blob"
    files = HOSTILE[kind]()
    archive = lay(files, tmp_path / "archive") if packing == "dir" else pack(files, tmp_path / "archive")
    ask(paths, "container_image", name="other", archive=lay(Image(UPPER).files(), tmp_path / "other"))
    before = ledger(paths.root)
    with pytest.raises(Refused):
        ask(paths, "container_image", name="x", archive=archive, max_unpacked_size="100M")
    now = ledger(paths.root)
    assert {path for path in now if not path.endswith("staging/.")} == {
        path for path in before if not path.endswith("staging/.")
    }
    assert os.listdir(paths.staging) == []
    assert not pathlib.Path("/etc/passwd").read_bytes().startswith(b"1")


def test_a_size_that_is_not_the_stored_blobs_is_refused(paths: Paths, tmp_path: pathlib.Path) -> None:
    ask(paths, "container_image", name="x", archive=lay(Image(BASE).files(), tmp_path / "one"))
    image = Image(BASE)
    image.manifest["layers"][0]["size"] += 1
    with pytest.raises(Refused, match="ends after 184 of 185 bytes"):
        ask(paths, "container_image", name="y", archive=lay(image.files(), tmp_path / "two"))


def test_a_blob_and_a_tree_that_the_store_has_are_not_one_because_a_config_says_so(
    paths: Paths, tmp_path: pathlib.Path
) -> None:
    """Who knows the diff id of a private layer must not get its tree for the blob of another."""
    for name, layer in (("public", BASE), ("private", UPPER)):
        ask(paths, "container_image", name=name, archive=lay(Image(layer).files(), tmp_path / name))
    before = ledger(paths.root)
    for diff_of, blob_of in ((UPPER, BASE), (BASE, UPPER)):
        image = Image(blob_of)
        image.config["rootfs"]["diff_ids"] = Image(diff_of).config["rootfs"]["diff_ids"]
        with pytest.raises(Refused, match="than the config's diff id says"):
            ask(paths, "container_image", name="x", archive=lay(image.files(), tmp_path / f"x{len(blob_of)}"))
    assert {name for name in ledger(paths.root) if "staging" not in name} == {
        name for name in before if "staging" not in name
    }


@pytest.mark.parametrize("gone", ["blob", "tree"])
def test_half_a_layer_is_made_whole_and_proved(paths: Paths, tmp_path: pathlib.Path, gone: str) -> None:
    image = Image(BASE)
    archive = lay(image.files(), tmp_path / "archive")
    ask(paths, "container_image", name="x", archive=archive)
    (tree,) = resolve(paths, "x").layers
    before, blob = facts(tree), pathlib.Path(paths.blobs, digest(image.blobs[0])[7:])
    if gone == "blob":
        blob.unlink()
    else:
        shutil.rmtree(os.path.dirname(tree))
    done = ask(paths, "container_image", name="x", archive=archive)
    assert (done.changed, done.before["state"]) == (True, "damaged")
    assert (facts(tree), digest(blob.read_bytes())) == (before, digest(image.blobs[0]))
    assert ask(paths, "system_check").result["problems"] == []


def test_symlinks_and_pipes_in_a_layout_are_not_opened(paths: Paths, tmp_path: pathlib.Path) -> None:
    image = Image(BASE)
    blob = tmp_path / "archive/blobs/sha256" / digest(image.blobs[0])[7:]
    lay(image.files(), tmp_path / "archive")
    blob.rename(tmp_path / "elsewhere")
    blob.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused):
        ask(paths, "container_image", name="x", archive=str(tmp_path / "archive"))
    blob.unlink()
    os.mkfifo(blob)
    with pytest.raises(Refused):
        ask(paths, "container_image", name="x", archive=str(tmp_path / "archive"))


def test_names_that_are_no_text_and_doubled_members_are_taken(paths: Paths, tmp_path: pathlib.Path) -> None:
    layer = member(b"n\xff", b"1") + member(b"d", b"1") + member(b"d", b"22")
    converge(paths, "container_image", name="x", archive=lay(Image(layer).files(), tmp_path / "archive"))
    tree = os.fsencode(resolve(paths, "x").layers[0])
    assert sorted(os.listdir(tree)) == [b"d", b"n\xff"]
    assert pathlib.Path(os.fsdecode(tree), "d").read_bytes() == b"22"


@pytest.mark.parametrize("form", ["oci-archive", "oci-dir", "docker-archive"])
def test_an_export_comes_back_as_it_went(paths: Paths, tmp_path: pathlib.Path, form: str) -> None:
    ask(paths, "container_image", name="x", archive=lay(Image(BASE, UPPER, TOP).files(), tmp_path / "archive"))
    target = tmp_path / "out" / "export"
    target.parent.mkdir()
    converge(paths, "container_image_export", name="x", path=str(target), format=form)
    assert [path.name for path in target.parent.iterdir()] == ["export"]
    first = resolve(paths, "x")
    with state(str(tmp_path / "second")) as second:
        ask(second, "container_image", name="x", archive=str(target))
        ask(second, "container_image_export", name="x", path=str(tmp_path / "again"), format=form)
        back = resolve(second, "x")
        assert (back.id, seen(second, "x", tmp_path)) == (first.id, seen(paths, "x", tmp_path))
        assert form == "docker-archive" or back.digest == first.digest
    assert contents(target) == contents(tmp_path / "again")


def contents(path: pathlib.Path) -> dict[str, str]:
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    return {str(one.relative_to(path)): hashlib.sha256(one.read_bytes()).hexdigest() for one in sorted(files)}


def test_an_export_may_leave_blobs_out(paths: Paths, tmp_path: pathlib.Path) -> None:
    image = Image(BASE, TOP)
    ask(paths, "container_image", name="x", archive=lay(image.files(), tmp_path / "archive"))
    out = str(tmp_path / "out")
    converge(paths, "container_image_export", name="x", path=out, omit=[digest(image.blobs[0])])
    with state(str(tmp_path / "second")) as second:
        with pytest.raises(Refused, match="has no file"):
            ask(second, "container_image", name="x", archive=out)
        ask(second, "container_image", name="base", archive=lay(Image(BASE).files(), tmp_path / "base"))
        ask(second, "container_image", name="x", archive=out)
        assert resolve(second, "x").digest == resolve(paths, "x").digest


def test_an_export_replaces_nothing_else(paths: Paths, tmp_path: pathlib.Path) -> None:
    ask(paths, "container_image", name="x", archive=lay(Image(BASE).files(), tmp_path / "archive"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_text("mine")
    for form in ("oci-archive", "oci-dir"):
        with pytest.raises(Conflict):
            ask(paths, "container_image_export", name="x", path=str(tmp_path / "mine"), format=form)
    assert (tmp_path / "mine/file").read_text() == "mine"
    with pytest.raises(NotFound):
        ask(paths, "container_image_export", name="x", path=str(tmp_path / "none/out"))
    converge(paths, "container_image_export", name="x", path=str(tmp_path / "mine"), format="oci-dir", force=True)


def test_a_worker_that_dies_is_told(tmp_path: pathlib.Path) -> None:
    def die(_told: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def wait(_told: object) -> None:
        time.sleep(60)

    start = time.monotonic()
    with pytest.raises(EngineError, match=r"layer 1.*signal 9"):
        workers.run(
            [workers.Task(name="layer 0", work=wait), workers.Task(name="layer 1", work=die)], lambda *_given: None
        )
    assert time.monotonic() - start < 10
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_workers_end_with_their_parent(tmp_path: pathlib.Path) -> None:
    script = f"""
import os, sys, time
from {workers.__name__} import Task, run
def work(told):
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(60)
run([Task(name="x", work=work)] * 2, lambda *given: None)
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=env, text=True) as process:
        assert process.stdout is not None
        pids = [int(process.stdout.readline()) for _unused in range(2)]
        process.kill()
    end = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_memory_does_not_grow_with_the_layers(paths: Paths, tmp_path: pathlib.Path) -> None:
    layers = [member(b"big%d" % number, bytes([number]) * (100 << 20)) for number in range(2)]
    archive = lay(Image(*layers).files(), tmp_path / "archive")
    script = f"""
import resource, sys
from {converge_module.__name__} import container_image
from {Paths.__module__} import Paths
container_image(Paths(sys.argv[1]), {{"name": "x", "archive": sys.argv[2]}}, check=False)
own = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0]
print(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", script, paths.root, archive]
    # A status of the process itself: what getrusage(2) says of it includes the process that it was forked from.
    own, worker = map(int, subprocess.run(words, env=env, check=True, capture_output=True).stdout.split())
    assert own + 2 * worker < 150 << 10
    assert len(resolve(paths, "x").layers) == 2
