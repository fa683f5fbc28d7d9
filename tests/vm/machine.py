# SPDX-License-Identifier: GPL-3.0-or-later
"""One virtual machine: booted from an image whose disk it leaves as it was, reached by ssh, and gone when the block ends."""

from __future__ import annotations

import contextlib
import pathlib
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

from ansible_collections.berth.containers.tests.vm.image import Image

_BOOT = 240.0
_OPTIONS = (
    "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
    "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=10",
)  # fmt: skip


class Machine:
    """A machine that runs. `port` and `web` are ports on loopback that lead to its ports 22 and 8088."""

    def __init__(self, image: Image, process: subprocess.Popen[bytes], port: int, web: int) -> None:
        self.image, self.process, self.port, self.web = image, process, port, web
        self.ssh_options = ("-i", str(image.key), "-p", str(port), *_OPTIONS)

    def ssh(self, script: str, *, terminal: bool = False) -> list[str]:
        """The words of a command that runs `script` there, with a terminal of its own if asked."""
        return ["ssh", *self.ssh_options, "-tt" if terminal else "-T", "root@127.0.0.1", script]

    def run(self, script: str, *, patience: float = 120.0, stdin: str = "", check: bool = True) -> str:
        """What a shell script says there; it must succeed unless `check` is False."""
        command = self.ssh(script)
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=patience, check=False)
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
        before, begun = self.boot(), time.monotonic()
        console = self.image.disk.parent / "console"
        said = console.stat().st_size
        self.run("systemctl reboot", check=False)
        while b"reboot: Restarting system" not in console.read_bytes()[said:]:
            assert time.monotonic() - begun < _BOOT, "it does not go down"
            time.sleep(0.2)
        down = time.monotonic() - begun
        self.wait(lambda: self.boot() != before)
        return down

    def boot(self) -> str:
        """The id of this boot."""
        return self.run("cat /proc/sys/kernel/random/boot_id", patience=15)

    def wait(self, ready: Callable[[], bool] | None = None) -> None:
        """Return when it answers (and `ready()` is true)."""
        end = time.monotonic() + _BOOT
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                if ready() if ready else self.run("true", patience=15) == "":
                    return
            time.sleep(0.5)
        raise AssertionError(f"the machine did not come up; its console is in {self.image.disk.parent}/console")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def booted(image: Image, *, memory: int = 2048) -> Iterator[Machine]:
    """The machine; what its disk is told is forgotten at the end."""
    port, web = _free_port(), _free_port()
    command = [
        "nice", "-n", "10", "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(memory),
        "-nodefaults", "-display", "none", "-no-user-config", "-snapshot",
        "-kernel", str(image.kernel), "-initrd", str(image.initrd),
        "-append", "root=/dev/vda rw console=ttyS0 quiet panic=-1",
        "-drive", f"file={image.disk},format=raw,if=virtio,cache=unsafe",
        "-netdev", f"user,id=net,restrict=off,hostfwd=tcp:127.0.0.1:{port}-:22,hostfwd=tcp:127.0.0.1:{web}-:8088",
        "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci",
        "-serial", f"file:{image.disk.parent}/console",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        machine = Machine(image, process, port, web)
        machine.wait()
        yield machine
    finally:
        process.terminate()
        process.wait(30)
