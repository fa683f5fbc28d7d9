# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL at any moment: the same request then converges, and after the removal nothing at all is left on the host.

BERTH_KILLS is how many kills there are in all, 25 by default; half of them at random moments, half at random system calls.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine import api
from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import group, hierarchy
from ansible_collections.berth.containers.plugins.module_utils._engine.network import attach
from ansible_collections.berth.containers.tests.kernel.house import WAIT, House, a_house, in_child, wait_until

KILLS = int(os.environ.get("BERTH_KILLS", "25"))
SEED = int(os.environ.get("BERTH_SEED", str(random.randrange(10**6))))
WORKS = ("import", "create", "start", "commit", "remove")
WEB: dict[str, Any] = {
    "name": "web",
    "image": "base",
    "command": WAIT,
    "stop_timeout": 0,
    "published_ports": ["127.0.0.1:0:80"],
    "labels": {"a": "b"},
}
ABSENT = {"name": "web", "state": "absent"}
# Calls that change something, or wait for somebody: those after which a death could be felt.
CALLS = (
    "mkdir", "mkdirat", "rename", "renameat", "unlink", "unlinkat", "symlink", "rmdir", "fsync", "write", "sendmsg",
    "recvmsg", "recvfrom", "sendto", "flock", "openat", "mount", "umount2", "move_mount", "mount_setattr", "clone3",
    "clone", "wait4", "chown", "fchown", "setns", "unshare", "pivot_root", "execve", "kill", "pidfd_send_signal",
    "ftruncate", "link",
)  # fmt: skip


class Work:
    """One request, what has to be there before it, and what takes its result away."""

    def __init__(self, house: House, name: str, tree: pathlib.Path) -> None:
        self.house, self.name = house, name
        self.verb, self.params = {
            "import": ("container_image", {"name": "imported", "rootfs": str(tree)}),
            "create": ("container", {**WEB, "state": "present"}),
            "start": ("container", WEB),
            "commit": ("container_commit", {"container": "web", "name": "committed"}),
            "remove": ("container", ABSENT),
        }[name]

    def prepare(self) -> None:
        if self.name in ("commit", "remove"):
            self.house.ask("container", **WEB)
            script = "mkdir -p /new; for i in $(seq 40); do head -c 3000 /dev/urandom >/new/$i; done; rm /etc/passwd"
            assert self.house.exec("web", script).code == 0
        elif self.name == "start":
            self.house.ask("container", **WEB, state="present")

    def request(self) -> dict[str, Any]:
        return {"verb": self.verb, "root": self.house.paths.root, "params": self.params}

    def converges(self) -> None:
        """The same request does what is left to do, and once more nothing."""
        self.house.ask(self.verb, **self.params)
        assert not self.house.ask(self.verb, **self.params).changed
        if self.name == "start":
            assert self.house.exec("web", ["echo", "alive"]).out == "alive\n"
            assert self.house.info("web")["network"]["address"]
        if self.name == "commit":
            assert self.house.run(["cat", "/new/7"], image="committed", auto_remove=True).code == 0
            wait_until(lambda: len(os.listdir(self.house.paths.containers)) == 1)

    def take_away(self) -> None:
        for verb, params in (
            ("container", ABSENT),
            ("container_image", {"name": "committed", "state": "absent"}),
            ("container_image", {"name": "imported", "state": "absent"}),
        ):
            self.house.ask(verb, **params)
        self.house.clean()


@pytest.fixture(scope="module")
def own_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A root that no other test has used, so that a leftover is ours."""
    with a_house(str(tmp_path_factory.mktemp("kills") / "root")) as house:
        yield house


@pytest.fixture(scope="module")
def tree(own_house: House, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    top = tmp_path_factory.mktemp("tree")
    for number in range(300):
        (top / f"f{number}").write_bytes(os.urandom(3000))
    return top


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The engine as it lies on a host, for a Python of its own."""
    home = tmp_path_factory.mktemp("engine")
    shutil.copytree(pathlib.Path(api.__file__).parent, home / "berth_engine")
    return home


def stored(house: House) -> dict[str, list[str]]:
    return {path: sorted(os.listdir(path)) for path in (house.paths.layers, house.paths.blobs, house.paths.staging)}


def check(work: Work, before: dict[str, list[str]], story: str, *, again: bool) -> None:
    """With `again` the request is repeated; without, the next thing that is asked is that all be gone."""
    try:
        if again:
            work.converges()
        work.take_away()
        wait_until(lambda: not work.house.left(), 3)
        assert stored(work.house) == before
    except Exception as error:
        left = "\n".join(work.house.left())
        raise AssertionError(f"{story}: {error}\n{stored(work.house)}\n{left}") from error


def kill_after(work: Work, delay: float) -> bool:
    """Whether the kill came before the end."""
    pid = os.fork()
    if pid == 0:
        with open(os.devnull, "w") as quiet:
            os.dup2(quiet.fileno(), 2)
        try:
            api.answer(work.request())
        finally:
            os._exit(0)
    time.sleep(delay)
    os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def measured(work: Work) -> float:
    work.prepare()
    begun = time.monotonic()
    in_child(lambda: api.answer(work.request()))
    took = time.monotonic() - begun
    work.take_away()
    return took


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_killed_at_a_random_moment(own_house: House, tree: pathlib.Path, name: str) -> None:
    work, dice = Work(own_house, name, tree), random.Random(f"{SEED} {name}")
    measured(work)
    took, before = measured(work), stored(own_house)
    kills, wanted = 0, share(0, name)
    for _unused in range(wanted * 5):
        if kills == wanted:
            break
        work.prepare()
        delay = dice.uniform(0, took)
        killed = kill_after(work, delay)
        story = f"seed {SEED}: {name} killed ({killed}) after {delay * 1000:.1f} of {took * 1000:.1f} ms"
        check(work, before, story, again=dice.random() < 0.7)
        kills += killed
        # The measured run may have been a slow one: by then a quicker one was over.
        took = took if killed else delay
    assert kills >= wanted
    print(f"{name}: {kills} kills at random moments")


def share(half: int, name: str) -> int:
    """How many of the kills fall to this work at random moments (half 0) or at system calls (half 1)."""
    slots = [(number % 2, WORKS[number // 2 % len(WORKS)]) for number in range(KILLS)]
    return slots.count((half, name))


class Traced:
    """The engine under strace, which kills one process at one system call of its; supervisors are traced, containers are not."""

    def __init__(self, engine: pathlib.Path, work: Work, options: list[str]) -> None:
        program = "import sys; sys.path[:0] = sys.argv[1:]; from berth_engine import api; sys.exit(api.main())"
        paths = [str(engine), *(path for path in sys.path if path.endswith("site-packages"))]
        self.log = engine / "trace"
        self.log.unlink(missing_ok=True)
        self.strace = subprocess.Popen(
            [
                *("strace", "-f", "-q", "--detach-on=execve", "-o", str(self.log)),
                *options,
                *(sys.executable, "-I", "-S", "-c", program),
                *paths,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert self.strace.stdin
        self.strace.stdin.write(json.dumps(work.request()).encode())
        self.strace.stdin.close()

    def finish(self) -> str:
        """Wait until the engine's own process has ended, and a little for those it left; the trace."""
        first = ""

        def ended() -> bool:
            nonlocal first
            with contextlib.suppress(FileNotFoundError):
                text = self.log.read_text(errors="replace")
                first = first or (text.split()[0] if "\n" in text else "")
                return any(line.startswith(f"{first} ") and " +++ " in line for line in text.splitlines() if first)
            return False

        try:
            wait_until(lambda: ended() or self.strace.poll() is not None, 20)
        except AssertionError as error:
            error.add_note("\n".join(self.log.read_text(errors="replace").splitlines()[-60:]))
            raise
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.strace.wait(0.3)
            self.strace.kill()  # what it traced goes on
            self.strace.wait(10)
        return self.log.read_text(errors="replace")


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_killed_at_a_system_call(own_house: House, tree: pathlib.Path, engine: pathlib.Path, name: str) -> None:
    work, dice = Work(own_house, name, tree), random.Random(f"{SEED} {name}")
    wanted, kills = share(1, name), 0
    if not wanted:
        return
    own_house.ask("container_image", name="imported", state="absent")
    work.prepare()
    trace = Traced(engine, work, ["-e", "trace=" + ",".join(CALLS)]).finish()
    work.take_away()
    before = stored(own_house)
    calls = Counter(tuple(found) for found in re.findall(r"^(\d+) +(\w+)\(", trace, re.MULTILINE))
    # What Python does before the engine's first line can't hurt: openat is counted from where it asks for the root.
    points = [(call, when) for (_unused, call), count in calls.items() for when in range(1, count + 1)]
    assert len(points) > 40, trace[:2000]
    for _unused in range(wanted * 8):
        if kills == wanted:
            break
        call = dice.choice(sorted({call for call, _unused in points}))
        when = dice.choice([when for other, when in points if other == call])
        work.prepare()
        traced = Traced(
            engine, work, ["-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={when}"]
        ).finish()
        killed = "+++ killed by SIGKILL +++" in traced
        kills += killed
        check(work, before, f"seed {SEED}: {name} killed ({killed}) at {call} number {when}", again=dice.random() < 0.7)
    assert kills >= wanted
    print(f"{name}: {kills} kills at system calls")


def test_a_container_that_was_left_frozen_goes_on(own_house: House, tree: pathlib.Path) -> None:
    """Whoever froze it was killed: joining it, stopping it and removing it still work."""
    work = Work(own_house, "commit", tree)
    for then in (
        lambda: own_house.exec("web", ["true"]),
        lambda: own_house.ask("container", name="web", state="stopped"),
        lambda: own_house.ask("container", name="web", state="absent"),
    ):
        work.prepare()
        here, parent = hierarchy.mounted(), own_house.paths.cgroup
        group.freeze(here, parent, own_house.info("web")["id"], frozen=True)
        begun = time.monotonic()
        then()
        assert time.monotonic() - begun < 5
        work.take_away()
    assert own_house.left() == []


def test_what_was_taken_but_not_written_down_is_given_back(own_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the lease of an address, the claim of a port, and the record that tells of both."""
    for at in ("write_record", "_record"):
        own_house.ask("container", **WEB, state="present")

        def die(*_words: object, **_named: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        with monkeypatch.context() as patch:
            patch.setattr(attach, at, die)
            pid = os.fork()
            if pid == 0:
                try:
                    api.answer({"verb": "container", "root": own_house.paths.root, "params": WEB})
                finally:
                    os._exit(0)
            assert os.waitpid(pid, 0)[1] == signal.SIGKILL
        assert any("/leases/berth0/" in path for path in own_house.left())
        own_house.ask("container", **ABSENT)
        wait_until(lambda: not own_house.left(), 3)
