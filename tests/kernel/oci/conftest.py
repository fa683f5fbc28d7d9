# SPDX-License-Identifier: GPL-3.0-or-later
"""The program berth-oci in processes of its own, with a root and cgroups of its own, and bundles of busybox."""

from __future__ import annotations

import glob
import json
import os
import pathlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine import errors

ENGINE = pathlib.Path(errors.__file__).parent
BUSYBOX = "/bin/busybox"
APPLETS = (
    "sh",
    "cat",
    "echo",
    "env",
    "id",
    "ls",
    "pwd",
    "readlink",
    "sleep",
    "stat",
    "stty",
    "touch",
    "true",
    "trap",
    "tty",
)
LAUNCHER = """\
#!/usr/bin/python3 -IS
import os
import sys

sys.path.append(os.path.dirname(os.path.realpath(__file__)))
from berth_engine.cli.commands.oci import main

raise SystemExit(main(sys.argv[1:]))
"""
CAPABILITIES = ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_CHROOT"]
MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
]
PATIENCE = 30


def until(condition: Callable[[], Any], patience: float = 10) -> Any:
    """The first true value, but not for ever."""
    end = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return value


class Runtime:
    """`place` holds bundles, `root` what the runtime keeps; groups are below `group` in every hierarchy."""

    def __init__(self, program: pathlib.Path, place: pathlib.Path, rootfs: pathlib.Path) -> None:
        self.program, self.place, self._rootfs = str(program), place, rootfs
        self.root, self.group = str(place / "root"), f"berth-oci-test-{os.getpid()}"
        self._count = 0

    def __call__(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        given = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": PATIENCE, "text": True, **options}
        return subprocess.run([self.program, "--root", self.root, *words], check=False, **given)

    def ok(self, *words: str, **options: Any) -> str:
        """The standard output of a command that succeeds."""
        done = self(*words, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout or ""

    def refused(self, *words: str, **options: Any) -> str:
        """What a command says that fails."""
        done = self(*words, **options)
        assert done.returncode == (255 if words[0] == "exec" else 1), done
        assert done.stderr.startswith("berth: "), done.stderr
        assert "Traceback" not in done.stderr
        return str(done.stderr)

    def create(self, ident: str, bundle: pathlib.Path, *words: str, output: str = "output") -> int:
        """Make a container whose output goes to a file in the bundle; its pid."""
        with open(bundle / output, "wb") as sink:
            self.ok("create", "-b", str(bundle), *words, ident, stdout=sink, stderr=sink, capture_output=False)
        return int(self.state(ident)["pid"])

    def once(self, bundle: pathlib.Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """The whole life of a container, in the foreground."""
        self._count += 1
        return self("run", "-b", str(bundle), f"once{self._count}", **options)

    def state(self, ident: str) -> dict[str, Any]:
        found = json.loads(self.ok("state", ident))
        assert isinstance(found, dict)
        return found

    def stopped(self, ident: str) -> None:
        until(lambda: self.state(ident)["status"] == "stopped")

    def bundle(self, *args: str, user: bool = False, **changes: Any) -> pathlib.Path:
        """A bundle that runs `args`. `changes` are properties of config.json, those of process and linux with a prefix."""
        self._count += 1
        home = self.place / f"bundle{self._count}"
        shutil.copytree(self._rootfs, home / "rootfs", symlinks=True)
        kinds = ["pid", "mount", "ipc", "uts", "network", "cgroup", *(["user"] if user else [])]
        process: dict[str, Any] = {
            "args": list(args), "cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin", "GIVEN=1"],
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES),
        }  # fmt: skip
        linux: dict[str, Any] = {
            "namespaces": [{"type": kind} for kind in kinds],
            "cgroupsPath": f"/{self.group}/c{self._count}",
            "maskedPaths": ["/proc/kcore", "/sys/firmware"],
            "readonlyPaths": ["/proc/sys"],
        }
        if user:
            linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": 100_000, "size": 1000}]
            subprocess.run(["chown", "-R", "100000:100000", str(home / "rootfs")], check=True)
        oci: dict[str, Any] = {
            "ociVersion": "1.2.0",
            "root": {"path": "rootfs"},
            "mounts": MOUNTS,
            "hostname": "inside",
        }
        for name, value in changes.items():
            part, _unused, inner = name.partition("_")
            if part in ("process", "linux"):
                (process if part == "process" else linux)[inner] = value
            else:
                oci[name] = value
        (home / "config.json").write_text(json.dumps({**oci, "process": process, "linux": linux}))
        return home

    def groups(self) -> list[str]:
        """Our groups in every hierarchy."""
        return [*glob.glob(f"/sys/fs/cgroup/{self.group}/*/"), *glob.glob(f"/sys/fs/cgroup/*/{self.group}/*/")]

    def traces(self) -> list[str]:
        """Everything that a container leaves: directories, groups, mounts of the host."""
        known = os.listdir(self.root) if os.path.isdir(self.root) else []
        with open("/proc/self/mountinfo") as file:
            return [*known, *self.groups(), *(line for line in file if str(self.place) in line)]

    def clear(self) -> None:
        for ident in os.listdir(self.root) if os.path.isdir(self.root) else []:
            self("delete", "--force", ident)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, pathlib.Path]:
    place = tmp_path_factory.mktemp("berth-oci")
    (place / "berth_engine").symlink_to(ENGINE)
    path = place / "berth-oci"
    path.write_text(LAUNCHER)
    path.chmod(0o755)
    rootfs = place / "rootfs"
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp"):
        (rootfs / name).mkdir(parents=True)
    shutil.copy2(BUSYBOX, rootfs / "bin/busybox")
    for name in APPLETS:
        (rootfs / "bin" / name).symlink_to("busybox")
    return path, rootfs


@pytest.fixture
def oci(program: tuple[pathlib.Path, pathlib.Path], tmp_path: pathlib.Path) -> Iterator[Runtime]:
    tmp_path.chmod(0o755)
    runtime = Runtime(program[0], tmp_path, program[1])
    try:
        yield runtime
    finally:
        runtime.clear()
        left = runtime.traces()
        for path in (*glob.glob(f"/sys/fs/cgroup/{runtime.group}"), *glob.glob(f"/sys/fs/cgroup/*/{runtime.group}")):
            os.rmdir(path)
    assert not left
