# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes in and out of a container: to whoever is attached, to the log, in order, whole, and never blocking the wrong one."""

from __future__ import annotations

import contextlib
import os
import pathlib
import struct
import subprocess
import time
from collections.abc import Iterator

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.container import attach
from ansible_collections.berth.containers.plugins.module_utils._engine.container import record as records
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    CommandNotExecutable,
    CommandNotFound,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime import wire
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.bundle import Bundle
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime.logfile import LogFile
from ansible_collections.berth.containers.tests.kernel.house import WAIT, Attached, House, wait_until


def resize(rows: int, columns: int) -> bytes:
    return struct.pack(">HH", rows, columns)


def test_streams_come_apart_and_whole(house: House) -> None:
    done = house.run("echo out; echo err >&2; printf tail; exit 3")
    assert done == (3, "out\ntail", "err\n")


def test_the_log_has_it_all_after_the_end(house: House) -> None:
    made = house.up(["sh", "-c", r"printf 'a\nb'; echo e >&2; printf '\377\376\ntail'; exit 5"])
    assert house.ended(made["name"])["exit_code"] == 5
    shown = house.log(made["name"])
    assert "".join(line["log"] for line in shown if line["stream"] == "stdout") == "a\nb\ufffd\ufffd\ntail"
    assert [line["log"] for line in shown if line["stream"] == "stderr"] == ["e\n"]
    # A second run goes on in the same log, and the first one's status is replaced.
    house.ask("container", name=made["name"], state="started")
    wait_until(lambda: len(house.log(made["name"])) > len(shown))


def test_a_word_from_the_last_moment_is_not_lost(house: House) -> None:
    for number in range(8):
        made = house.up(["sh", "-c", f"echo last words {number}"])
        house.ended(made["name"])
        assert [line["log"] for line in house.log(made["name"])] == [f"last words {number}\n"]


def test_input_arrives_and_ends(house: House) -> None:
    assert house.run(["cat"], stdin=b"x" * 300_000).out == "x" * 300_000
    assert house.run("read a; read b || echo eof after $a", stdin=b"one\n").out == "eof after one\n"


def test_without_input_there_is_an_end_of_file(house: House) -> None:
    assert house.run("cat; echo end").out == "end\n"


def test_a_slow_reader_gets_every_byte(house: House) -> None:
    """20 MB through a reader that does not read at first: the container waits for it, and nobody keeps it all in memory."""
    size = 20_000_000
    attached = house.attach(["sh", "-c", f"yes {'x' * 99} | head -c {size}"])
    record = records.find(house.paths, house.made[-1])
    supervisor = record.state(house.paths).supervisor

    def passed() -> int:
        return int(pathlib.Path(f"/proc/{supervisor}/io").read_text().split()[1])

    seen = [-1, -1, -1]

    def stands_still() -> bool:
        time.sleep(0.1)
        seen.append(passed())
        return seen[-1] == seen[-2] == seen[-3] > 0

    wait_until(stands_still, 20)
    assert seen[-1] < 5_000_000, "nothing slowed it down"
    assert record.state(house.paths).status == "running"
    for _unused in range(10):
        attached.read()
        time.sleep(0.02)
    done = attached.finish()
    assert (done.code, len(done.out)) == (0, size)


def test_several_may_be_attached_and_leave(house: House) -> None:
    made = house.up(["sh", "-c", "while read x; do echo got $x; done"], interactive=True)
    record = records.find(house.paths, made["name"])
    first, second = (Attached(attach.open_stream(house.paths, record)) for _unused in range(2))
    time.sleep(0.05)
    first.send(wire.STDIN, b"one\n")
    for end in (first, second):
        end.read_until(b"got one\n")
    first.end.close()
    second.send(wire.STDIN, b"two\n")
    second.read_until(b"got two\n")
    second.send(wire.CLOSE_STDIN)
    assert second.finish().code == 0
    assert house.ended(made["name"])["exit_code"] == 0


def test_nonsense_on_the_wire_only_ends_that_connection(house: House) -> None:
    made = house.up(["cat"], interactive=True)
    record = records.find(house.paths, made["name"])
    for nonsense in (b"i" + b"\xff" * 9, os.urandom(64), b"r\0\0\0\1x", b"?\0\0\0\0"):
        end = Attached(attach.open_stream(house.paths, record))
        end.end.sendall(nonsense)
        end.end.close()
    good = Attached(attach.open_stream(house.paths, record))
    time.sleep(0.05)
    good.send(wire.STDIN, b"still here\n")
    good.read_until(b"still here")
    good.end.close()


def test_a_terminal_is_one(house: House) -> None:
    attached = house.attach(["sh"], tty=True, interactive=True)
    attached.send(wire.RESIZE, resize(33, 77))
    attached.send(wire.STDIN, b"tty; stty size; echo $TERM; ps -o pid,tty | grep -c pts; ls -l /dev/console\n")
    attached.read_until(b"/dev/console\r\n")
    said = attached.out.decode()
    for part in ("/dev/pts/0", "33 77", "xterm"):
        assert part in said
    attached.send(wire.RESIZE, resize(10, 20))
    attached.send(wire.STDIN, b"stty size\n")
    attached.read_until(b"10 20")
    # Ctrl-C goes to the foreground, not to the shell; job control works.
    attached.send(wire.STDIN, b"sleep 99; echo after-$?\n")
    time.sleep(0.2)
    attached.send(wire.STDIN, b"\x03")
    time.sleep(0.1)
    attached.send(wire.STDIN, b"\n")
    attached.send(wire.STDIN, b"sleep 98 & jobs; kill %1; exit 6\n")
    assert attached.finish().code == 6
    assert "can't access tty" not in attached.out.decode()
    assert "\n[1]" in attached.out.decode()


def test_the_terminal_belongs_to_its_user(house: House) -> None:
    attached = house.attach(["sh", "-c", "stat -c %u:%a $(tty); echo ok >/dev/tty; id -u"], tty=True, user="1234")
    assert attached.finish().out.split() == ["1234:620", "ok", "1234"]


def test_commands_that_are_not_there(house: House) -> None:
    for command, error, code in (
        (["no-such-command"], CommandNotFound, 127),
        (["/no/such/command"], CommandNotFound, 127),
        (["/etc/passwd"], CommandNotExecutable, 126),
        (["/etc"], CommandNotExecutable, 126),
    ):
        with pytest.raises(error) as caught:
            house.run(command)
        assert caught.value.exit_code == code
        assert command[0] in str(caught.value)
        with pytest.raises(error):
            house.up(command)
    house.clean()
    name = house.up()["name"]
    with pytest.raises(CommandNotFound):
        house.exec(name, ["no-such-command"])
    with pytest.raises(CommandNotExecutable):
        house.exec(name, ["/etc/passwd"])


def test_who_joins(house: House) -> None:
    name = house.up(env={"A": "1"})["name"]
    done = house.exec(name, "cat; echo $A$B; echo err >&2; exit 9", b"in", env={"B": "2"})
    assert done == (9, "in12\n", "err\n")
    assert house.exec(name, "kill -TERM $$").code == 143
    assert house.exec(name, "pwd", working_dir="/tmp").out == "/tmp\n"
    big = house.exec(name, ["cat"], b"y" * 1_000_000)
    assert big.out == "y" * 1_000_000
    # It is one of the container's: same namespaces, same groups, and its end is not the container's.
    assert house.exec(name, "readlink /proc/1/ns/*") == house.exec(name, "readlink /proc/self/ns/*")
    assert house.exec(name, "cat /proc/1/cgroup") == house.exec(name, "cat /proc/self/cgroup")
    assert house.info(name)["state"]["status"] == "running"


def test_who_leaves_a_session_takes_its_process_along(house: House) -> None:
    made = house.up(WAIT)
    from ansible_collections.berth.containers.plugins.module_utils._engine.container import execute

    record = records.find(house.paths, made["name"])
    with (
        contextlib.suppress(ValueError),
        execute.open_session(house.paths, record, execute.ExecSpec(argv=("sleep", "777"))),
    ):
        assert "sleep777" in house.exec(made["name"], "cat /proc/[0-9]*/cmdline | tr -d '\\0'").out
        raise ValueError
    wait_until(lambda: "sleep777" not in house.exec(made["name"], "cat /proc/[0-9]*/cmdline | tr -d '\\0'").out)


@pytest.fixture
def small(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A place with room for 64 KiB and three files."""
    (tmp_path / "small").mkdir()
    options = ["-o", "size=64k,nr_inodes=4"]
    subprocess.run(["mount", "-t", "tmpfs", *options, "none", str(tmp_path / "small")], check=True)
    yield tmp_path / "small"
    subprocess.run(["umount", str(tmp_path / "small")], check=True)


def test_a_full_disk_drops_lines_and_nothing_else(small: pathlib.Path) -> None:
    log = LogFile(str(small / "log"), 1 << 20, 5)
    for number in range(3000):
        log.write("stdout", b"line %d\n" % number)
    assert log.dropped > 0
    whole = (small / "log").read_bytes()
    assert whole.endswith(b"}\n")
    log.write("stdout", b"x" * 200_000)
    os.truncate(small / "log", 0)
    log.write("stdout", b"\nroom again\n")
    log.close()
    assert b"room again" in (small / "log").read_bytes()


def test_no_room_for_the_next_file_is_no_end_of_the_log(small: pathlib.Path) -> None:
    log = LogFile(str(small / "log"), 1000, 9)
    for number in range(300):
        log.write("stdout", b"line %d\n" % number)
    log.close()
    assert len(os.listdir(small)) <= 4


def test_a_log_that_is_full_does_not_block(house: House) -> None:
    """The log's own file system has no space: the container runs on, and ends as if nothing were."""
    made = house.up(["sh", "-c", "read x; seq 20000; exit 3"], interactive=True)
    logs = f"{house.paths.container(made['id'])}/logs"
    record = records.find(house.paths, made["name"])
    supervisor = record.state(house.paths).supervisor
    (log,) = [
        f for f in os.listdir(f"/proc/{supervisor}/fd") if os.readlink(f"/proc/{supervisor}/fd/{f}").startswith(logs)
    ]
    subprocess.run(["prlimit", "--pid", str(supervisor), "--fsize=4096"], check=True)
    assert log
    end = Attached(attach.open_stream(house.paths, record))
    end.send(wire.STDIN, b"go\n")
    done = end.finish()
    assert (done.code, len(done.out.split())) == (3, 20000)
    assert house.ended(made["name"])["exit_code"] == 3


def test_nobodys_log_grows_without_end(house: House) -> None:
    """Nobody asked for anything: five files of 10 MiB, of which the oldest goes."""
    made = house.up(["sh", "-c", f"yes {'x' * 999} | head -n 11000; exit 3"])
    assert house.ended(made["name"], 30)["exit_code"] == 3
    files = {one.name: one.stat().st_size for one in pathlib.Path(made["log_path"]).parent.iterdir()}
    assert sorted(files) == ["container.log", "container.log.1"]
    assert max(files.values()) <= 10 << 20 < sum(files.values())
    assert Bundle.log_files == 5
