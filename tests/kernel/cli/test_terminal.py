# SPDX-License-Identifier: GPL-3.0-or-later
"""`berth run -it base sh` is a real shell on a real terminal."""

from __future__ import annotations

import os
import signal
import termios
import time

import pexpect
import pytest

from .conftest import Berth

PROMPT = b"# "


def shell(berth: Berth, name: str, size: tuple[int, int] = (24, 80)) -> pexpect.spawn[bytes]:
    child = berth.spawn("run", "--rm", "-it", "--network", "none", "--name", name, "base", "sh", size=size)
    child.expect(PROMPT)
    return child


def says(child: pexpect.spawn[bytes], command: str, answer: str) -> None:
    child.sendline(command)
    child.expect(answer)
    child.expect(PROMPT)


def status(child: pexpect.spawn[bytes]) -> int | None:
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def test_a_shell_with_job_control(berth: Berth) -> None:
    child = shell(berth, "jobs", size=(31, 101))
    says(child, "tty", "\n/dev/pts/0\r")
    says(child, "stty size", "\n31 101\r")
    child.sendline("sleep 100")
    time.sleep(0.3)
    child.send("\x1a")
    child.expect("Stopped")
    child.expect(PROMPT)
    says(child, "jobs", "Stopped +sleep 100")
    child.sendline("fg")
    child.expect("sleep 100\r")
    time.sleep(0.3)
    child.send("\x03")
    child.expect(PROMPT)
    says(child, "echo status=$?", "status=130")
    child.sendline("exit 42")
    assert status(child) == 42
    assert berth.containers() == []


def test_the_window_may_change_its_size(berth: Berth) -> None:
    child = shell(berth, "size")
    child.setwinsize(40, 132)
    time.sleep(0.3)
    says(child, "stty size", "\n40 132\r")
    child.sendeof()
    assert status(child) == 0


def test_control_c_is_the_program_s(berth: Berth) -> None:
    child = shell(berth, "keys")
    child.sendline("trap 'echo caught' INT; echo set")
    child.expect("\nset\r")
    child.send("\x03")
    child.expect("caught")
    child.sendline("exit 0")
    assert status(child) == 0


def test_the_detach_keys_leave_it_running_and_attach_comes_back(berth: Berth) -> None:
    child = shell(berth, "left")
    says(child, "mark=here; echo $mark", "\nhere\r")
    child.send("\x10\x11")
    child.expect("left container left, which goes on running")
    assert status(child) == 0
    assert "Up" in berth.ok("ps", "-f", "name=left")
    child = berth.spawn("attach", "left")
    child.expect(PROMPT)
    says(child, "echo still $mark", "\nstill here\r")
    child.send("\x10")
    child.send("\x11")
    assert status(child) == 0
    child = berth.spawn("attach", "left")
    child.expect(PROMPT)
    child.sendline("exit 5")
    assert status(child) == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_restored_when_a_signal_ends_it(berth: Berth, number: signal.Signals) -> None:
    child = berth.spawn("run", "-it", "--network", "none", "--name", "cut", "base", "sh")
    slave = os.open(os.readlink(f"/proc/{child.pid}/fd/0"), os.O_RDWR | os.O_NOCTTY)
    before = termios.tcgetattr(slave)
    child.expect(PROMPT)
    assert not termios.tcgetattr(slave)[3] & termios.ICANON
    child.kill(number)
    assert child.wait() == 128 + number
    assert termios.tcgetattr(slave)[3] == before[3]
    os.close(slave)
    child.close()
    assert "Up" in berth.ok("ps", "-f", "name=cut")


def test_exec_gives_a_terminal_of_its_own(berth: Berth) -> None:
    berth.start("--name", "host", "base", "sleep", "100")
    child = berth.spawn("exec", "-it", "host", "sh", size=(33, 77))
    child.expect(PROMPT)
    says(child, "tty", "\n/dev/pts/[0-9]+\r")
    says(child, "stty size", "\n33 77\r")
    child.setwinsize(20, 60)
    time.sleep(0.3)
    says(child, "stty size", "\n20 60\r")
    child.sendline("sleep 50")
    time.sleep(0.3)
    child.send("\x03")
    child.expect(PROMPT)
    says(child, "echo status=$?", "status=130")
    child.sendline("exit 6")
    assert status(child) == 6


def test_a_terminal_without_input(berth: Berth) -> None:
    done = berth.once("-t", "base", "sh", "-c", "tty; echo err >&2")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"/dev/pts/0\r\nerr\r\n", b"")
