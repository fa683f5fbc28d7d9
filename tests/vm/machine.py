# SPDX-License-Identifier: GPL-3.0-or-later
"""One virtual machine: booted from an image whose disk it leaves as it was, reached by ssh, and gone when the block ends."""

from __future__ import annotations

import contextlib
import pathlib
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator

from ansible_collections.berth.containers.tests.vm.image import Image

_BOOT = 240.0
_OPTIONS = (
    "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
    "-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=10",
)  # fmt: skip


class Machine:
    """A machine that runs. `port` and `web` are ports on loopback that lead to its ports 22 and 8088; `home` is for its files.

    One connection serves all commands: to make one costs an emulated processor a second.
    """

    def __init__(self, image: Image, process: subprocess.Popen[bytes], port: int, web: int, home: pathlib.Path) -> None:
        self.image, self.process, self.port, self.web, self.home = image, process, port, web, home
        self.options = (*_OPTIONS, "-o", f"ControlPath={home}/ssh")
        self._connection = self._connect()

    def ssh(self, script: str, *, terminal: bool = False, alone: bool = False) -> list[str]:
        """The words of a command that runs `script` there, with a terminal of its own if asked, or in a login session of its own."""
        options = _OPTIONS if alone else self.options
        return ["ssh", *self._way(), *options, "-tt" if terminal else "-T", "root@127.0.0.1", script]

    def _way(self) -> tuple[str, ...]:
        return ("-i", str(self.image.key), "-p", str(self.port))

    def run(
        self, script: str, *, patience: float = 120.0, stdin: str = "", check: bool = True, alone: bool = False
    ) -> str:
        """What a shell script says there; it must succeed unless `check` is False."""
        command = self.ssh(script, alone=alone)
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=patience, check=False)
        if done.returncode == 255 and "Kernel panic" in self._console():
            raise AssertionError(f"{script}\nended the machine's kernel; its console is in {self.home}/console")
        if check and done.returncode:
            raise AssertionError(f"{script}\nexited with {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout if check else f"{done.stdout}{done.stderr}[{done.returncode}]"

    def berth(self, *words: str, patience: float = 120.0, check: bool = True) -> str:
        """What the command line says there."""
        return self.run(shlex.join(("berth", *words)), patience=patience, check=check).rstrip("\n")

    def send(self, source: pathlib.Path, target: str) -> None:
        """Copy what is below the directory `source` into the directory `target` there."""
        pack = subprocess.Popen(["tar", "-c", "-C", source, "."], stdout=subprocess.PIPE)
        try:
            script = f"mkdir -p {target} && tar -x --no-same-owner -C {target}"
            subprocess.run(self.ssh(script), stdin=pack.stdout, timeout=120, check=True)
        finally:
            pack.wait(10)

    def reboot(self) -> float:
        """Start it anew, with the disk as it is now; the seconds until it was down."""
        begun, said = time.monotonic(), self._console()
        self.run("systemctl reboot", check=False)
        while "reboot: Restarting system" not in self._console().removeprefix(said):
            assert time.monotonic() - begun < _BOOT, "it does not go down"
            time.sleep(0.2)
        down = time.monotonic() - begun
        self.disconnect()
        self._connection = self._connect()
        return down

    def _console(self) -> str:
        return (self.home / "console").read_text(errors="replace")

    def _connect(self) -> subprocess.Popen[bytes]:
        """The connection that the others share, as soon as somebody answers."""
        end = time.monotonic() + _BOOT
        while time.monotonic() < end and self.process.poll() is None:
            if not self._answers():
                time.sleep(0.3)
                continue
            command = ["ssh", *self._way(), *self.options, "-o", "ControlMaster=yes", "-N", "root@127.0.0.1"]
            connection = subprocess.Popen(command, stdin=subprocess.DEVNULL)
            while connection.poll() is None and time.monotonic() < end:
                if (self.home / "ssh").exists():
                    return connection
                time.sleep(0.1)
        raise AssertionError(f"the machine did not come up; its console is in {self.home}/console")

    def _answers(self) -> bool:
        """Whether it is sshd that answers: QEMU itself takes a connection at any time."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=3) as probe:
                return probe.recv(4) == b"SSH-"
        except OSError:
            return False

    def disconnect(self) -> None:
        """Give the connection up."""
        self._connection.terminate()
        self._connection.wait(10)
        (self.home / "ssh").unlink(missing_ok=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def booted(image: Image, home: pathlib.Path, *, memory: int = 2048) -> Iterator[Machine]:
    """The machine; what its disk is told is forgotten at the end. Its console is kept in the directory `home`."""
    port, web = _free_port(), _free_port()
    command = [
        # Whatever ends the tests ends it, too.
        "setpriv", "--pdeathsig", "KILL",
        # One processor: with several, Linux falls now and then over what it rewrites in its own code ("Oops: int3", QEMU 7.2).
        "nice", "-n", "10", "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", str(memory),
        "-nodefaults", "-display", "none", "-no-user-config", "-snapshot",
        "-kernel", str(image.kernel), "-initrd", str(image.initrd),
        "-append", "root=/dev/vda rw console=ttyS0 quiet",
        "-drive", f"file={image.disk},format=raw,if=virtio,cache=unsafe",
        "-netdev", f"user,id=net,restrict=off,hostfwd=tcp:127.0.0.1:{port}-:22,hostfwd=tcp:127.0.0.1:{web}-:8088",
        "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci",
        "-serial", f"file:{home}/console",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        machine = Machine(image, process, port, web, home)
        try:
            yield machine
        finally:
            machine.disconnect()
    finally:
        process.terminate()
        process.wait(30)
