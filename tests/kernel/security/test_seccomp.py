# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel answers to system calls from inside a container: every one that is not allowed, and those that are."""

from __future__ import annotations

import json
import pathlib
import socket
import struct

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError
from ansible_collections.berth.containers.plugins.module_utils._engine.image.resolve import resolve
from ansible_collections.berth.containers.plugins.module_utils._engine.security import apparmor, capabilities
from ansible_collections.berth.containers.plugins.module_utils._engine.security.seccomp import default, numbers
from ansible_collections.berth.containers.tests.kernel.house import House

from .probe import DATA, Call, answers, program

FAMILY = ("X86_64", "X86", "X32")
EPERM, ENOSYS, MARK = -1, -38, -777
# Where the kernel has AppArmor its profile changes what the filter has to hold.
UNLABELLED = ["apparmor=unconfined"]
UPPER = 7 << 32
# kernel/seccomp.c, seccomp_uprobe_exception: no filter is asked about these.
PASSED = ("uprobe", "uretprobe")
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
# These end the process or go on twice, or are killed outside of where they belong.
ENDS = (
    "exit",
    "exit_group",
    "fork",
    "vfork",
    "pause",
    "rt_sigreturn",
    "sigreturn",
    "uretprobe",
    "restart_syscall",
    "sync",
)


def ask(house: House, calls: list[Call], data: bytes = b"", **options: object) -> list[int]:
    """The kernel's answers inside a new container."""
    script = "cat >/probe && chmod 755 /probe && /probe | od -An -v -t d8"
    done = house.run(script, stdin=program(calls, data), **options)
    assert done.code == 0, done
    found = answers(done.out)
    assert len(found) == len(calls)
    return found


def marked(tmp_path: pathlib.Path, *held: str) -> list[str]:
    """The default as a profile, with an error that the kernel never gives of itself in EPERM's place."""
    words = default.profile((*capabilities.DEFAULT, *held), FAMILY)
    text = json.dumps(words).replace('"errnoRet": 1}', f'"errnoRet": {-MARK}}}')
    text = text.replace('"defaultErrnoRet": 1,', f'"defaultErrnoRet": {-MARK},').replace(
        '"errnoRet": 1,', f'"errnoRet": {-MARK},'
    )
    (tmp_path / "marked.json").write_text(text)
    return [f"seccomp={tmp_path}/marked.json"]


def sorted_out(kind: str, *held: str) -> tuple[dict[str, int], dict[str, int]]:
    """Numbers by name: what the default never allows, and what it always does."""
    entries = default.profile((*capabilities.DEFAULT, *held), FAMILY)["syscalls"]
    anyhow = {n for e in entries for n in e["names"] if e["action"] == "SCMP_ACT_ALLOW" and "args" not in e}
    sometimes = {n for e in entries for n in e["names"] if e["action"] == "SCMP_ACT_ALLOW"}
    table = numbers.numbers(kind)
    never = {name: number for name, number in table.items() if name not in sometimes and name not in PASSED}
    return never, {name: table[name] for name in sorted(anyhow & set(table))}


def expected(kind: str, name: str, eperm: int) -> int:
    """A call above all that the default names does not exist; neither does clone3."""
    named = {n for e in default.profile(capabilities.DEFAULT, FAMILY)["syscalls"] for n in e["names"]}
    table = numbers.numbers(kind)
    beyond = table[name] > max(table[n] for n in named if n in table)
    return ENOSYS if beyond or name == "clone3" else eperm


@pytest.mark.parametrize("kind", ["X86_64", "X86"])
def test_every_call_that_is_not_allowed_is_refused(house: House, tmp_path: pathlib.Path, kind: str) -> None:
    never, _unused = sorted_out(kind)
    assert len(never) > 70
    calls = [Call(number, narrow=kind == "X86") for number in never.values()]
    for eperm, options in ((EPERM, []), (MARK, marked(tmp_path))):
        found = dict(zip(never, ask(house, calls, security_opts=options), strict=True))
        assert {n: a for n, a in found.items() if a != expected(kind, n, eperm)} == {}


@pytest.mark.parametrize("kind", ["X86_64", "X86"])
def test_no_call_that_is_allowed_is_refused(house: House, tmp_path: pathlib.Path, kind: str) -> None:
    _unused, anyhow = sorted_out(kind)
    some = {name: number for name, number in anyhow.items() if name not in ENDS}
    assert len(some) > 280
    found = ask(house, [Call(number, narrow=kind == "X86") for number in some.values()], security_opts=marked(tmp_path))
    assert [name for name, answer in zip(some, found, strict=True) if answer == MARK] == []


def test_arguments_that_are_refused_from_either_instruction_set(house: House, tmp_path: pathlib.Path) -> None:
    wide, narrow = numbers.numbers("X86_64"), numbers.numbers("X86")
    refused = [
        ("socket", (38, 5, 0)), ("socket", (38 | UPPER, 5, 0)), ("socket", (40, 1, 0)), ("socket", (40 | UPPER, 1, 0)),
        ("ioctl", (0, TIOCSTI)), ("ioctl", (0, TIOCSTI | UPPER)), ("ioctl", (0, TIOCLINUX | UPPER)),
        ("personality", (0x0040000,)), ("clone", (0x10000000 | 17,)), ("clone", (0x20000 | 17,)), ("unshare", (0x10000000,)),
    ]  # fmt: skip
    calls = [Call(wide[name], args) for name, args in refused]
    calls += [Call(narrow[name], args, narrow=True) for name, args in refused]
    assert ask(house, calls) == [EPERM] * len(calls)
    assert ask(house, calls, security_opts=marked(tmp_path)) == [MARK] * len(calls)
    # And what goes the other way round: no family can be hidden in memory, no call has another number.
    hidden = [Call(narrow["socketcall"], (1, 0), narrow=True), Call(0x40000000 | 39), Call(0x40000000 | 41, (38, 5, 0))]
    assert ask(house, hidden, security_opts=UNLABELLED) == [ENOSYS] * 3
    good = [
        Call(wide["socket"], (2, 1, 0)),
        Call(wide["socket"], (2 | UPPER, 1, 0)),
        Call(wide["personality"], (0xFFFFFFFF,)),
        Call(narrow["socket"], (1, 1, 0), narrow=True),
    ]
    assert all(answer >= 0 for answer in ask(house, good))


def test_32_bit_programs_make_sockets_where_it_was_asked_for_or_seen_to(house: House) -> None:
    """Debian's i386 C library does so by socketcall(2), with family, type and protocol in memory."""
    call = [Call(numbers.numbers("X86")["socketcall"], (1, DATA), narrow=True)]
    words = struct.pack("<3I", socket.AF_INET, socket.SOCK_STREAM, 0)

    def socket_of(**options: object) -> bool:
        (answer,) = ask(house, call, words, **options)
        assert answer > 2 or answer == ENOSYS, answer
        return answer > 2

    layer = resolve(house.paths, "base").layers[0]
    house.ask("container_image", name="narrow", rootfs=layer, platform="linux/386")
    try:
        assert socket_of(image="narrow", security_opts=UNLABELLED)
        assert socket_of(security_opts=["seccomp=default-32bit"])
        assert not socket_of(security_opts=UNLABELLED)
        # Where the profile refuses what is not seen here, every container may.
        assert socket_of() == apparmor.is_available()
    finally:
        house.clean()
        house.ask("container_image", name="narrow", state="absent")


def test_capabilities_bring_their_calls(house: House, tmp_path: pathlib.Path) -> None:
    table = numbers.numbers("X86_64")
    calls = [Call(table[name]) for name in ("mount", "unshare", "setns", "fsopen", "kexec_load", "keyctl")]
    found = ask(house, calls, cap_add=["SYS_ADMIN"], security_opts=marked(tmp_path, "SYS_ADMIN"))
    assert [answer == MARK for answer in found] == [False] * 4 + [True] * 2
    found = ask(house, calls, cap_add=["SYS_ADMIN"])
    assert [answer == EPERM for answer in found[:4]] == [False] * 4


def test_who_joins_is_held_by_the_same_filter(house: House, tmp_path: pathlib.Path) -> None:
    calls = [Call(numbers.numbers("X86_64")[name]) for name in ("keyctl", "bpf")]
    made = house.up(security_opts=marked(tmp_path))
    (tmp_path / "marked.json").unlink()
    for options in ({}, {"privileged": True}, {"tty": False, "user": "1000"}):
        done = house.exec(
            made["name"], "cat >/tmp/p$$ && chmod 755 /tmp/p$$ && /tmp/p$$ | od -An -v -t d8", program(calls), **options
        )
        assert answers(done.out) == [MARK] * 2, done


def test_unconfined_and_privileged_have_no_filter(house: House) -> None:
    show = "grep Seccomp: /proc/self/status"
    assert house.run(show).out.split() == ["Seccomp:", "2"]
    for options in ({"security_opts": ["seccomp=unconfined"]}, {"privileged": True}):
        assert house.run(show, **options).out.split() == ["Seccomp:", "0"]
    privileged = house.run(show, privileged=True, security_opts=["seccomp=default"])
    assert privileged.out.split() == ["Seccomp:", "2"]


def test_a_profile_that_is_none_starts_nothing(house: House, tmp_path: pathlib.Path) -> None:
    (tmp_path / "bad.json").write_text(
        '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "ALLOW"}]}'
    )
    with pytest.raises(EngineError, match=r"bad.json: syscalls\[0\].action: 'ALLOW' is no action"):
        house.up(security_opts=[f"seccomp={tmp_path}/bad.json"])


def test_a_profile_that_kills(house: House, tmp_path: pathlib.Path) -> None:
    words = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_KILL_PROCESS"}]}
    (tmp_path / "kill.json").write_text(json.dumps(words))
    done = house.run("mkdir /x; echo $?", security_opts=[f"seccomp={tmp_path}/kill.json"])
    assert done.out.split() == ["159"]
