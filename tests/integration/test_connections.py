# SPDX-License-Identifier: GPL-3.0-or-later
"""Over SSH, as root and as a user who becomes root: a server of the tests' own, on loopback, with keys of its own."""

from __future__ import annotations

import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import Ansible

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "berth-guest"

CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {home}/host_key
AuthorizedKeysFile {home}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers root {user}
Subsystem sftp internal-sftp
"""

# The server has a mount namespace of its own, in which there is one more user, and su and sudo ask nobody for a password.
START = """\
set -e
mount --bind {home}/passwd /etc/passwd
mount --bind {home}/su /etc/pam.d/su
mount --bind {home}/su /etc/pam.d/sudo
mount --bind {home}/sudoers /etc/sudoers
exec /usr/sbin/sshd -D -e -f {home}/sshd_config
"""


class Server:
    """A running server: how to reach it as whom."""

    def __init__(self, home: pathlib.Path, port: int) -> None:
        self.home, self.port = home, port

    def host(self, user: str, **more: Any) -> dict[str, Any]:
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": user,
            "ansible_ssh_private_key_file": str(self.home / "key"),
            "ansible_ssh_common_args": "-o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o LogLevel=ERROR",
            "ansible_python_interpreter": "/usr/bin/python3",
            **more,
        }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for(port: int, process: subprocess.Popen[str]) -> None:
    for _attempt in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "sshd ended at once"
        time.sleep(0.05)
    pytest.fail("sshd does not listen")


@pytest.fixture(scope="module")
def server(ansible: Ansible) -> Iterator[Server]:
    if not shutil.which("sshd", path="/usr/sbin"):
        pytest.fail("the tests need Debian's openssh-server")
    # Not below pytest's own directory, which every start of pytest closes to other users.
    home, port = pathlib.Path(tempfile.mkdtemp(prefix="berth-ssh-")), free_port()
    home.chmod(0o755)
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
    (home / "guest").mkdir(mode=0o700)
    shutil.chown(home / "guest", 60123, 60123)
    users = pathlib.Path("/etc/passwd").read_text()
    (home / "passwd").write_text(f"{users}{USER}:*:60123:60123::{home}/guest:/bin/sh\n")
    (home / "su").write_text(
        "auth sufficient pam_permit.so\naccount sufficient pam_permit.so\nsession optional pam_permit.so\n"
    )
    (home / "sudoers").write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    (home / "sudoers").chmod(0o440)
    (home / "sshd_config").write_text(CONFIG.format(home=home, port=port, user=USER))
    pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with open(home / "log", "w") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", START.format(home=home)], stdin=subprocess.DEVNULL, stderr=log, text=True
        )
    try:
        wait_for(port, process)
        yield Server(home, port)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(home)


ENVIRONMENT = {"ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=1s"}


def tasks(root: pathlib.Path) -> list[dict[str, Any]]:
    return [
        {"name": "engine", "berth.containers.engine": {"root": str(root)}},
        {"name": "list", "berth.containers.container_image_info": {"root": str(root)}},
    ]


def check(ansible: Ansible, root: pathlib.Path, host: dict[str, Any], **environment: str) -> None:
    inventory = ansible.inventory({"far": host})
    for expected in (3, 1):
        run = ansible.play(tasks(root), "-vvv", inventory=inventory, environment={**ENVIRONMENT, **environment}).ok()
        assert run["list"]["images"] == []
        assert pathlib.Path(run["engine"]["program"]).exists()
        assert len(re.findall(r"Using module file \S+/engine\.py", run.output)) == expected
        assert "SSH: EXEC ssh" in run.output


@pytest.mark.parametrize("pipelining", ["false", "true"])
def test_as_root(ansible: Ansible, server: Server, tmp_path: pathlib.Path, pipelining: str) -> None:
    check(ansible, tmp_path, server.host("root"), ANSIBLE_PIPELINING=pipelining)


@pytest.mark.parametrize("pipelining", ["false", "true"])
def test_as_a_user_who_becomes_root(ansible: Ansible, server: Server, tmp_path: pathlib.Path, pipelining: str) -> None:
    host = server.host(USER, ansible_become=True, ansible_become_method="su")
    check(ansible, tmp_path, host, ANSIBLE_PIPELINING=pipelining)


def test_a_user_who_stays_one_is_told(ansible: Ansible, server: Server, tmp_path: pathlib.Path) -> None:
    inventory = ansible.inventory({"far": server.host(USER)})
    run = ansible.play(tasks(tmp_path)[1:], inventory=inventory, environment=ENVIRONMENT)
    assert run.failures == ["list: berth.containers.container_image_info needs root on this host: use become: true"]


def test_async_over_ssh(ansible: Ansible, server: Server, tmp_path: pathlib.Path) -> None:
    inventory = ansible.inventory({"far": server.host(USER, ansible_become=True, ansible_become_method="su")})
    job = [{**tasks(tmp_path)[1], "async": 60, "poll": 1}]
    assert ansible.play(job, inventory=inventory, environment=ENVIRONMENT).ok()["list"]["images"] == []


def test_a_directory_of_the_controller_arrives_once(ansible: Ansible, server: Server, tmp_path: pathlib.Path) -> None:
    source = tmp_path / "site"
    (source / "srv").mkdir(parents=True)
    (source / "srv/index.html").write_text("hello\n")
    image = {"name": "site", "rootfs": str(source), "remote_src": False, "root": str(tmp_path / "state")}
    inventory = ansible.inventory({"far": server.host("root")})

    def send(*arguments: str) -> tuple[bool, bool]:
        task = {"name": "image", "berth.containers.container_image": image}
        run = ansible.play([task], "-vvv", *arguments, inventory=inventory, environment=ENVIRONMENT).ok()
        return run["image"]["changed"], "/rootfs " in run.output or "/rootfs'" in run.output

    assert send("--check") == (True, True)
    assert send() == (True, False)
    assert send() == (False, False)
    (source / "srv/index.html").write_text("changed\n")
    assert send() == (True, True)


@pytest.mark.parametrize("pipelining", ["false", "true"])
def test_an_image_of_another_host(ansible: Ansible, server: Server, tmp_path: pathlib.Path, pipelining: str) -> None:
    """Both are reached as a user who becomes root: the archive is root's on one side, and that user's on the other."""
    state = {"web1": str(tmp_path / "web1"), "web2": str(tmp_path / "web2")}
    host = server.host(USER, ansible_become=True, ansible_become_method="su")
    inventory = ansible.inventory(dict.fromkeys(state, host))
    make = {"name": "app", "bootstrap": "busybox", "root": state["web1"]}
    copy = {"name": "app", "source_host": "web1", "source_root": state["web1"], "root": state["web2"]}
    plays = [
        {"hosts": name, "gather_facts": False, "tasks": [{"name": name, "berth.containers.container_image": options}]}
        for name, options in (("web1", make), ("web2", copy))
    ]
    own = {**ENVIRONMENT, "ANSIBLE_PIPELINING": pipelining}
    run = ansible.play([], playbook=plays, inventory=inventory, environment=own).ok()
    assert run.changed == ["web1", "web2"]
    assert run["web1"]["image"]["digest"] == run["web2"]["image"]["digest"]
    assert ansible.play([], playbook=plays, inventory=inventory, environment=own).ok().changed == []
    assert list((server.home / "guest").glob(".ansible/tmp/*")) == []
