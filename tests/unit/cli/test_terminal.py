# SPDX-License-Identifier: GPL-3.0-or-later
"""The detach keys are found however they arrive, and raw mode is undone."""

from __future__ import annotations

import os
import pty
import termios

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cli import terminal


@pytest.mark.parametrize(
    ("typed", "passed", "left"),
    [
        ([b"ls\n"], b"ls\n", False),
        ([b"\x10", b"\x11"], b"", True),
        ([b"a\x10\x11b"], b"a", True),
        ([b"a\x10", b"b"], b"a\x10b", False),
        ([b"\x10", b"\x10", b"\x11"], b"\x10", True),
        ([b"\x11\x10"], b"\x11", False),
        ([b"\x10"], b"", False),
    ],
)
def test_keys(typed: list[bytes], passed: bytes, left: bool) -> None:
    keys = terminal.Keys()
    assert b"".join(keys.feed(data) for data in typed) == passed
    assert keys.left is left


def test_raw_mode_is_undone_by_an_exception() -> None:
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    with pytest.raises(KeyError), terminal.Raw(slave):
        during = termios.tcgetattr(slave)
        raise KeyError
    assert not during[3] & (termios.ICANON | termios.ECHO | termios.ISIG)
    assert not during[1] & termios.OPOST
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_raw_mode_of_what_is_no_terminal_does_nothing() -> None:
    ends = os.pipe()
    with terminal.Raw(ends[0]):
        assert terminal.size(ends[0]) == (0, 0)
    for fd in ends:
        os.close(fd)


def test_size() -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (31, 101))
    assert terminal.size(slave) == (31, 101)
    os.close(master)
    os.close(slave)
