# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container is given to see: volumes, memory file systems, its three small files, and its network."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    Conflict,
    EngineError,
    InvalidSpec,
    NotFound,
    Refused,
)
from ansible_collections.berth.containers.tests.kernel.house import House, wait_until

HTTPD = ["sh", "-c", "mkdir /srv; echo hello from $NAME >/srv/index.html; exec httpd -f -p 80 -h /srv"]


def owner(path: pathlib.Path) -> tuple[int, int]:
    status = os.lstat(path)
    return status.st_uid, status.st_gid


@pytest.mark.parametrize("userns_mode", ["auto", "host"])
def test_what_root_writes_in_a_volume_is_roots_outside(house: House, tmp_path: pathlib.Path, userns_mode: str) -> None:
    (tmp_path / "given").write_text("from the host")
    done = house.run(
        "cat /data/given; stat -c ' %u:%g' /data/given; echo inside >/data/made; chown 33:44 /data/given; mkdir /data/dir",
        volumes=[f"{tmp_path}:/data"],
        userns_mode=userns_mode,
    )
    assert done == (0, "from the host 0:0\n", "")
    assert (tmp_path / "made").read_text() == "inside\n"
    assert owner(tmp_path / "made") == owner(tmp_path / "dir") == (0, 0)
    assert owner(tmp_path / "given") == (33, 44)


def test_a_read_only_volume_is_read_only(house: House, tmp_path: pathlib.Path) -> None:
    (tmp_path / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(tmp_path / "below")], check=True)
    try:
        done = house.run("touch /data/x; touch /data/below/x; ls /data", volumes=[f"{tmp_path}:/data:ro"])
    finally:
        subprocess.run(["umount", str(tmp_path / "below")], check=True)
    assert done.out == "below\n"
    assert done.err.count("Read-only file system") == 2


def test_a_volume_may_be_a_file_and_lie_in_another(house: House, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("one file\n")
    (tmp_path / "dir").mkdir()
    done = house.run(
        "cat /etc/the/file; ls /v; cat /v/deep/file; touch /v/new",
        volumes=[f"{tmp_path}/file:/etc/the/file:ro", f"{tmp_path}/dir:/v", f"{tmp_path}/file:/v/deep/file"],
    )
    assert done == (0, "one file\ndeep\none file\n", "")
    assert (tmp_path / "dir/new").exists()


def test_devices_of_a_volume_are_inert(house: House, tmp_path: pathlib.Path) -> None:
    os.mknod(tmp_path / "zero", 0o020666, os.makedev(1, 5))
    done = house.run("head -c 1 /v/zero", volumes=[f"{tmp_path}:/v"], userns_mode="host")
    assert done.code != 0
    assert "Permission denied" in done.err


def test_a_link_in_the_image_leads_nowhere_outside(house: House, tmp_path: pathlib.Path) -> None:
    """A volume's target that is a link of the image's is followed below the container's root only."""
    victim = tmp_path / "victim"
    victim.mkdir()
    base = next(iter(pathlib.Path(house.paths.layers).iterdir())) / "diff"
    subprocess.run(["cp", "-a", str(base), str(tmp_path / "root")], check=True)
    os.symlink(victim, tmp_path / "root/link")
    os.symlink("../../../../../../.." + str(victim), tmp_path / "root/climb")
    os.symlink("/etc", tmp_path / "root/inner")
    subprocess.run(["rm", "-r", str(tmp_path / "root/proc")], check=True)
    (tmp_path / "given").mkdir()
    house.ask("container_image", name="links", rootfs=str(tmp_path / "root"))
    try:
        for place in ("/link/x", "/climb/x", "/link"):
            with pytest.raises(Refused, match="link to nothing"):
                house.run(["true"], image="links", volumes=[f"{tmp_path}/given:{place}"], userns_mode="host")
            assert list(victim.iterdir()) == []
        assert house.run("ls -d /etc/x", image="links", volumes=[f"{tmp_path}/given:/inner/x"]).out == "/etc/x\n"
        assert pathlib.Path(house.paths.container(house.info(house.made[-1])["id"]), "made").read_bytes() == b"/etc/x\0"
        os.symlink("/etc", tmp_path / "root/proc")
        house.ask("container_image", name="proclink", rootfs=str(tmp_path / "root"))
        with pytest.raises(Refused, match="/proc is a link"):
            house.run(["true"], image="proclink")
    finally:
        house.clean()
        for name in ("links", "proclink"):
            house.ask("container_image", name=name, state="absent")


def test_memory_file_systems(house: House) -> None:
    done = house.run(
        "grep ' /t ' /proc/mounts; stat -c %a /t /u; dd if=/dev/zero of=/t/x bs=64k count=20; mount | grep -c ' /u '",
        tmpfs={"/t": "size=512k,mode=700", "/u": None},
    )
    fields = done.out.splitlines()
    assert "size=512k" in fields[0]
    assert "nosuid" in fields[0]
    assert "nodev" in fields[0]
    assert fields[1:] == ["700", "1777", "1"]
    assert "No space left" in done.err


def test_bad_places(house: House, tmp_path: pathlib.Path) -> None:
    for bad, error, match in (
        ({"volumes": [f"{tmp_path}/missing:/x"]}, NotFound, "missing does not exist"),
        ({"volumes": ["relative:/x"]}, InvalidSpec, "relative"),
        ({"volumes": [f"{tmp_path}:relative"]}, InvalidSpec, "relative"),
        ({"volumes": [f"{tmp_path}:/"]}, InvalidSpec, "whole root"),
        ({"volumes": [f"{tmp_path}:/x:rx"]}, InvalidSpec, "rx"),
        ({"volumes": [f"{tmp_path}"]}, InvalidSpec, "volumes"),
        ({"tmpfs": ["relative"]}, InvalidSpec, "tmpfs"),
        ({"tmpfs": ["/t:size=nonsense"]}, EngineError, "tmpfs"),
        ({"tmpfs": ["/"]}, InvalidSpec, "tmpfs"),
    ):
        with pytest.raises(error, match=match):
            house.up(**bad)
        house.clean()
        assert house.left() == []
    assert not (tmp_path / "missing").exists()


def test_the_three_small_files(house: House) -> None:
    done = house.run(
        "cat /etc/hosts /etc/resolv.conf; hostname",
        etc_hosts={"db.example": "192.0.2.7"},
        dns_servers=["192.0.2.53"],
        hostname="me",
    )
    assert "192.0.2.7\tdb.example" in done.out.replace(" ", "\t")
    assert "nameserver 192.0.2.53" in done.out
    assert "localhost" in done.out
    assert done.out.splitlines()[-1] == "me"
    # They are the container's own: it may write them, and its image and the host's stay as they are.
    made = house.up()
    assert house.exec(made["name"], "echo 192.0.2.9 mine >>/etc/hosts; tail -1 /etc/hosts").out == "192.0.2.9 mine\n"
    assert "mine" not in pathlib.Path("/etc/hosts").read_text()
    assert "mine" not in house.run("cat /etc/hosts").out


def fetch(port: int, address: str = "127.0.0.1") -> str:
    with socket.create_connection((address, port), 2) as call:
        call.sendall(b"GET / HTTP/1.0\r\n\r\n")
        data = b""
        while chunk := call.recv(4096):
            data += chunk
    return data.decode().rpartition("\r\n\r\n")[2]


def test_bridge_names_and_ports(house: House) -> None:
    web = house.up(HTTPD, network_mode="bridge", env={"NAME": "web"}, published_ports=["127.0.0.1:0:80"])
    (port,) = web["ports"]
    number = int(port.split(":")[1])
    assert number > 1023
    assert wait_until(lambda: _try(lambda: fetch(number)), 5) == "hello from web\n"
    address = web["network"]["address"]
    assert fetch(80, address) == "hello from web\n"
    client = house.up(network_mode="bridge", hostname="client-host")
    assert client["network"]["address"] != address
    for name in (web["name"], web["id"][:12], web["hostname"]):
        assert house.exec(client["name"], f"wget -qO- http://{name}/").out == "hello from web\n", name
    assert house.exec(client["name"], "ls /sys/class/net").out.split() == ["eth0", "lo"]
    assert "client-host" in house.exec(client["name"], "cat /etc/hosts").out
    # Names go with the container.
    house.ask("container", name=web["name"], state="absent")
    assert house.exec(client["name"], f"nslookup {web['name']} 2>&1").code != 0


def _try(work: object) -> object:
    try:
        return work()  # type: ignore[operator]
    except OSError:
        return None


def test_a_port_that_another_program_has(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(Conflict, match=str(taken)):
            house.up(network_mode="bridge", published_ports=[f"127.0.0.1:{taken}:80"])
        house.clean()
        assert house.left() == []
    made = house.up(network_mode="bridge", published_ports=[f"127.0.0.1:{taken}:80"])
    with pytest.raises(Conflict, match=made["name"]):
        house.up(network_mode="bridge", published_ports=[f"127.0.0.1:{taken}:81"])


@pytest.mark.parametrize("userns_mode", ["auto", "host"])
def test_anothers_network(house: House, userns_mode: str) -> None:
    web = house.up(HTTPD, network_mode="bridge", env={"NAME": "web"})
    beside = house.up(network_mode=f"container:{web['name']}", userns_mode=userns_mode)
    script = "readlink /proc/self/ns/net; cat /etc/hosts"
    assert house.exec(beside["name"], script) == house.exec(web["name"], script)
    assert wait_until(lambda: house.exec(beside["name"], "wget -qO- http://127.0.0.1/").out) == "hello from web\n"
    assert house.exec(beside["name"], "readlink /proc/self/ns/pid") != house.exec(
        web["name"], "readlink /proc/self/ns/pid"
    )
    house.ask("container", name=web["name"], state="stopped")
    with pytest.raises(NotFound, match="does not run"):
        house.up(network_mode=f"container:{web['name']}")
    with pytest.raises(NotFound, match="nobody-here"):
        house.up(network_mode="container:nobody-here")


def test_the_hosts_network(house: House) -> None:
    made = house.up(network_mode="host")
    assert house.exec(made["name"], "readlink /proc/self/ns/net").out.strip() == os.readlink("/proc/self/ns/net")
    with pytest.raises(InvalidSpec, match="published_ports"):
        house.up(network_mode="host", published_ports=["80:80"])
    house.clean()
    # No rights over it, though: those of its user namespace do not count there.
    done = house.run("ip link set lo down; ip link add x type dummy", network_mode="host", cap_add=["NET_ADMIN"])
    assert done.err.count("not permitted") == 2


def test_what_an_image_says_is_inherited(house: House) -> None:
    config = {
        "env": {"FROM": "image", "BOTH": "image"},
        "entrypoint": ["/bin/echo", "entry"],
        "command": ["cmd"],
        "user": "1234",
        "working_dir": "/srv/work",
        "labels": {"tier": "back"},
    }
    house.ask("container_image", name="told", bootstrap="busybox", **config)
    try:

        def words(**params: object) -> str:
            made = house.up(**{"image": "told", **params})
            house.ended(made["name"])
            return "".join(line["log"] for line in house.log(made["name"]))

        wanted = {"name": "inherit", "image": "told", "network_mode": "none"}
        house.ask("container", **wanted)
        house.ended("inherit")
        assert house.log("inherit")[0]["log"] == "entry cmd\n"
        assert words(command=["other"]) == "entry other\n"
        script = "echo $FROM $BOTH $(pwd) $(id -u)"
        shown = words(entrypoint=["sh", "-c"], command=[script], env={"BOTH": "user"})
        assert shown == "image user /srv/work 1234\n"
    finally:
        house.clean()
        house.ask("container_image", name="told", state="absent")


def test_a_record_is_json_that_says_what_was_asked(house: House) -> None:
    made = house.up(labels={"a": "1"}, env={"B": "2"})
    fields = json.loads(pathlib.Path(f"{house.paths.container(made['id'])}/record.json").read_text())
    assert fields["format"] == 1
    assert fields["spec"]["labels"] == {"a": "1"}
    config = json.loads(pathlib.Path(f"{house.paths.container(made['id'])}/bundle/config.json").read_text())
    assert config["ociVersion"].startswith("1.")
    assert config["process"]["noNewPrivileges"] is True
