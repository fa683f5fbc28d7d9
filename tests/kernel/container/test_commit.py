# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's changes as an image: every kind of change, seen again by a container made from it, the same on every host."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec, NotFound
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.tests.kernel.house import House, a_house, bare_root
from ansible_collections.berth.containers.tests.kernel.storage.trees import facts

# What a base must have so that it can be changed in every way; its mount points are missing on purpose.
PREPARE = """
mkdir -p gone/below replaced/old kept/dir linked owned time
echo 1 >gone/file; echo 1 >gone/below/file; echo 1 >replaced/old/file; echo old >kept/content; echo 1 >kept/mode; echo 1 >owned/file
echo x >kept/dir/same; ln -s /old kept/link; echo 1 >kept/becomes-dir; mkdir kept/becomes-file
rm -rf proc sys dev etc/hosts etc/hostname etc/resolv.conf tmp
"""
CHANGE = """
set -e
rm -r /gone; rm -r /replaced; mkdir /replaced; echo 1 >/replaced/new
echo new >/kept/content; chmod 4750 /kept/mode; rm /kept/link; ln -s /new /kept/link
rm /kept/becomes-dir; mkdir /kept/becomes-dir; echo 1 >/kept/becomes-dir/x; rmdir /kept/becomes-file; echo 1 >/kept/becomes-file
echo both >/linked/a; ln /linked/a /linked/b
chown 33:44 /owned/file; mkfifo /fifo; mkdir -m 1777 /sticky
touch -d '2001-02-03 04:05:06' /time
"""


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A root directory without any of the places that the engine mounts on."""
    return bare_root(tmp_path_factory, PREPARE)


def changed_container(house: House, **params: Any) -> dict[str, Any]:
    made = house.up(["sh", "-c", CHANGE + "echo done; sleep 1000"], image="bare", **params)
    while not any("done" in line["log"] for line in house.log(made["name"])):
        assert house.info(made["name"])["state"]["status"] == "running", house.log(made["name"])
    return made


def commit(house: House, name: str, image: str = "made", **params: Any) -> Any:
    """Check, run, run: the prediction is exact, and the second time changes nothing."""
    predicted = house.ask("container_commit", check=True, container=name, name=image, **params)
    done = house.ask("container_commit", container=name, name=image, **params)
    assert (predicted.changed, predicted.before, predicted.after) == (done.changed, done.before, done.after)
    again = house.ask("container_commit", container=name, name=image, **params)
    assert not again.changed
    assert again.result["image"] == done.result["image"]
    return done


def layer_of(house: House, image: str) -> str:
    return resolve(house.paths, image).layers[0]


@pytest.mark.parametrize("userns_mode", ["auto", "host"])
def test_every_kind_of_change_comes_out(bare: House, userns_mode: str) -> None:
    made = changed_container(bare, userns_mode=userns_mode)
    assert commit(bare, made["name"]).changed
    assert bare.exec(made["name"], ["true"]).code == 0, "it was not left frozen"
    seen = bare.run(
        "ls -d /gone /replaced/old /replaced/new; cat /kept/content; stat -c '%a %u:%g %F' /kept/mode /owned/file /fifo /sticky;"
        "readlink /kept/link; ls -F /kept; cat /kept/dir/same; stat -c '%i %h' /linked/a /linked/b | sort -u | wc -l; stat -c %Y /time",
        image="made",
    )
    assert seen.out.splitlines() == [
        "/replaced/new", "new", "4750 0:0 regular file", "644 33:44 regular file", "644 0:0 fifo", "1777 0:0 directory",
        "/new", "becomes-dir/", "becomes-file", "content", "dir/", "link@", "mode*", "x", "1", "981173106",
    ]  # fmt: skip


def test_the_layer_is_the_same_on_every_host_and_in_both_user_namespaces(
    bare: House, rootfs: str, tmp_path: pathlib.Path
) -> None:
    """The times of what was written differ between runs, so they are set."""
    moment = "touch -h -d '2002-02-02 02:02:02'"
    still = f"{CHANGE} find /replaced /kept /linked /owned /fifo /sticky -exec {moment} {{}} +; {moment} /"

    def layer(house: House, **params: Any) -> str:
        made = house.up(["sh", "-c", still + "; echo done; sleep 1000"], image="bare", **params)
        while not any("done" in line["log"] for line in house.log(made["name"])):
            assert house.info(made["name"])["state"]["status"] == "running", house.log(made["name"])
        return str(commit(house, made["name"], image="again").result["image"]["layer"])

    first = layer(bare)
    bare.clean()
    second = layer(bare, userns_mode="host", network_mode="bridge", hostname="other")
    with a_house(str(tmp_path / "elsewhere"), bootstrap=False) as other:
        other.ask("container_image", name="bare", rootfs=rootfs)
        third = layer(other)
        other.clean()
    assert first == second == third


def test_what_the_engine_made_is_no_change(bare: House, tmp_path: pathlib.Path) -> None:
    """Mount points in an image that has none of them: a container that did nothing has nothing to commit."""
    made = bare.up(
        image="bare",
        volumes=[f"{tmp_path}:/mnt/deep/volume"],
        tmpfs=["/scratch"],
        working_dir="/w",
        network_mode="bridge",
    )
    bare.exec(made["name"], "echo 192.0.2.1 x >>/etc/hosts; touch /scratch/x /mnt/deep/volume/x /dev/shm/x")
    commit(bare, made["name"])
    # The working directory is the container's own, as with Docker.
    assert os.listdir(layer_of(bare, "made")) == ["w"]
    bare.ask("container", name=made["name"], state="stopped")
    bare.ask("container", name=made["name"], state="started")
    assert not bare.ask("container_commit", container=made["name"], name="made").changed
    bare.exec(made["name"], "echo mine >/etc/mine")
    commit(bare, made["name"])
    found = [
        os.path.relpath(os.path.join(top, name), layer_of(bare, "made"))
        for top, _unused, names in os.walk(layer_of(bare, "made"))
        for name in names
    ]
    assert found == ["etc/mine"]


def test_extended_attributes_and_capabilities(bare: House) -> None:
    made = bare.up(image="bare")
    root = f"/proc/{made['state']['pid']}/root"
    bare.exec(made["name"], "cp /bin/busybox /cap; echo x >/attr")
    pid = os.fork()
    if pid == 0:
        from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import process

        code = 1
        try:
            spaces = [(os.open(f"/proc/{made['state']['pid']}/ns/{name}", os.O_RDONLY), kind) for name, kind in
                      (("user", process.NEWUSER), ("mnt", process.NEWNS))]  # fmt: skip
            for fd, kind in spaces:
                process.setns(fd, kind)
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            os.setxattr("/attr", "user.note", b"kept")
            os.setxattr("/cap", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert os.path.exists(f"{root}/cap")
    commit(bare, made["name"])
    layer = layer_of(bare, "made")
    assert os.getxattr(f"{layer}/attr", "user.note") == b"kept"
    assert os.getxattr(f"{layer}/cap", "security.capability")[:1] == b"\1"
    # No id of the container's range on this host reaches the layer.
    config = next(
        iter(
            json.loads(pathlib.Path(bare.paths.blobs, resolve(bare.paths, "made").digest[7:]).read_text())["layers"][
                -1:
            ]
        )
    )
    assert config["digest"].startswith("sha256:")
    assert {os.lstat(os.path.join(layer, name)).st_uid for name in os.listdir(layer)} == {0}


def test_config_changes_and_what_a_commit_of_a_commit_sees(bare: House) -> None:
    made = changed_container(bare)
    done = commit(
        bare, made["name"], changes=["ENV A=1", 'CMD ["echo", "hi"]', "LABEL x=y"], author="me", comment="why"
    )
    image = bare.ask("container_image_info", name=["made"]).result["images"][0]
    assert "A=1" in image["config"]["Env"]
    assert image["config"]["Cmd"] == ["echo", "hi"]
    assert image["labels"]["x"] == "y"
    assert image["digest"] == done.result["image"]["digest"]
    second = bare.up(image="made", command=["sh", "-c", "echo more >/more; sleep 1000"])
    bare.exec(second["name"], "while ! [ -e /more ]; do :; done")
    bare.ask("container_commit", container=second["name"], name="again")
    assert bare.run("cat /more /kept/content; ls /gone", image="again").out == "more\nnew\n"
    assert len(resolve(bare.paths, "again").layers) == 3


def test_a_stopped_container_and_what_is_not_there(bare: House) -> None:
    made = changed_container(bare)
    running = commit(bare, made["name"]).result["image"]["layer"]
    bare.ask("container", name=made["name"], state="stopped")
    assert not bare.ask("container_commit", container=made["name"], name="made").changed
    assert bare.ask("container_commit", container=made["name"], name="made").result["image"]["layer"] == running
    for bad, error in (
        ({"container": "not-there", "name": "x"}, NotFound),
        ({"container": made["name"], "name": "UPPER//"}, InvalidSpec),
        ({"container": made["name"]}, InvalidSpec),
        ({"container": made["name"], "name": "x", "changes": ["NONSENSE 1"]}, InvalidSpec),
    ):
        for check in (True, False):
            with pytest.raises(error):
                bare.ask("container_commit", check=check, **bad)


def test_the_base_is_never_touched(bare: House) -> None:
    before = facts(layer_of(bare, "bare"))
    changed_container(bare)
    assert facts(layer_of(bare, "bare")) == before
