# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container is allowed by default, what its options make of that, and what is kept of it."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine import jsontext
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec, Unsupported
from ansible_collections.berth.containers.plugins.module_utils._engine.security import capabilities, seccomp
from ansible_collections.berth.containers.plugins.module_utils._engine.security.seccomp import (
    bpf,
    default,
    filters,
    numbers,
    profile,
)

from .bpfmachine import AUDIT, Call, run

FAMILY = ("X86_64", "X86", "X32")
ALLOW, EPERM, ENOSYS = filters.ALLOW, filters.ERRNO | 1, filters.ERRNO | 38
UPPER = 7 << 32
REFUSED = (
    "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key", "userfaultfd",
    "bpf", "perf_event_open", "mount", "umount2", "unshare", "setns", "pivot_root", "open_by_handle_at",
    "init_module", "finit_module", "delete_module", "kexec_load", "reboot", "swapon", "syslog", "settimeofday",
    "clock_settime", "sethostname", "iopl", "ioperm", "acct", "quotactl", "fsopen", "move_mount", "open_tree",
    "mount_setattr", "move_pages", "mbind", "kcmp", "pidfd_getfd", "vhangup", "personality", "uselib", "ustat",
    "sysfs", "fanotify_init",
)  # fmt: skip


class Program:
    """The default's program, asked by name."""

    def __init__(self, *held: str, family: tuple[str, ...] = FAMILY, unseen_sockets: bool = False) -> None:
        words = default.profile((*capabilities.DEFAULT, *held), family, unseen_sockets=unseen_sockets)
        self._code = bpf.compile_filter(filters.parse(words, family))[1]
        self._kind = family[0]

    def ask(self, name: str, *args: int, kind: str = "") -> int:
        number = numbers.numbers(kind or self._kind)[name]
        return run(self._code, Call(AUDIT[kind or self._kind], number, (*args, *[0] * (6 - len(args)))))[0]


def test_the_tables_are_the_kernels() -> None:
    known = {
        "X86_64": {"read": 0, "ioctl": 16, "execve": 59, "seccomp": 317, "rseq": 334, "uretprobe": 335, "clone3": 435},
        "X86": {"exit": 1, "read": 3, "socketcall": 102, "socket": 359, "clock_gettime64": 403, "io_uring_setup": 425},
        "X32": {"read": 0x40000000, "ioctl": 0x40000202, "execve": 0x40000208, "pwritev2": 0x40000223},
        "AARCH64": {"io_setup": 0, "getcwd": 17, "read": 63, "clone": 220, "seccomp": 277, "mseal": 462},
        "ARM": {"read": 3, "socket": 281, "seccomp": 383, "cacheflush": 0xF0002, "set_tls": 0xF0005},
    }
    for kind, some in known.items():
        table = numbers.numbers(kind)
        assert some.items() <= table.items()
        assert len(set(table.values())) == len(table)


@pytest.mark.parametrize("family", [FAMILY, ("AARCH64", "ARM")])
def test_what_programs_live_on(family: tuple[str, ...]) -> None:
    program = Program(family=family)
    for name in (
        "read",
        "openat",
        "execve",
        "futex",
        "getpid",
        "chroot",
        "ptrace",
        "epoll_pwait2",
        "seccomp",
        "fchmodat2",
    ):
        assert program.ask(name) == ALLOW, name
    assert program.ask("clone", 0x3D0F00) == ALLOW
    assert program.ask("clone3") == ENOSYS


@pytest.mark.parametrize("kind", ["X86_64", "X86"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(kind: str, name: str) -> None:
    assert Program().ask(name, 0x12345, kind=kind) == EPERM


def test_arguments_that_the_kernel_cuts_are_cut_here() -> None:
    """Docker's default lets socket(38 + 2**32) through, which the kernel takes for AF_ALG."""
    program = Program()
    for family in (1, 2, 10, 16, 17, 31, 32, 35, 36, 37):
        assert program.ask("socket", family) == program.ask("socket", family | UPPER) == ALLOW
    for family in (38, 39, 40, 41, 43, 44, 64, 0x80000002, 0xFFFFFFFF):
        assert program.ask("socket", family) == program.ask("socket", family | UPPER) == EPERM
        assert program.ask("socket", family, kind="X86") == EPERM
    for request in (0x5412, 0x541C):
        assert program.ask("ioctl", 0, request) == program.ask("ioctl", 0, request | UPPER) == EPERM
        assert program.ask("ioctl", 0, request, kind="X86") == EPERM
    assert program.ask("ioctl", 0, 0x5413) == ALLOW
    assert Program("NET_RAW").ask("socket", 44) == ALLOW


def test_namespaces_are_not_made() -> None:
    program = Program()
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        for kind in ("X86_64", "X86"):
            assert program.ask("clone", flag | 17, kind=kind) == EPERM
    assert [Program("SYS_ADMIN").ask(name, 0x10000000) for name in ("clone", "unshare", "clone3", "mount")] == [
        ALLOW
    ] * 4


def test_32_bit_sockets_can_be_looked_at() -> None:
    program = Program()
    assert program.ask("socketcall", 1, kind="X86") == ENOSYS
    assert program.ask("socketcall", 3, kind="X86") == program.ask("socket", 2, kind="X86") == ALLOW


def test_32_bit_sockets_that_are_not_looked_at() -> None:
    given = [seccomp.resolve(("seccomp=default-32bit",), (), privileged=False)]
    given += [seccomp.resolve((), (), privileged=False, unseen_sockets=unseen) for unseen in (True, False)]
    assert given[0] == given[1] != given[2]
    program = Program(unseen_sockets=True)
    assert program.ask("socketcall", 1, kind="X86") == ALLOW
    assert program.ask("socket", 38, kind="X86") == program.ask("socket", 40) == EPERM


def test_personalities() -> None:
    program = Program()
    assert [program.ask("personality", value) for value in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF)] == [ALLOW] * 5
    assert program.ask("personality", 0x40000) == EPERM


@pytest.mark.parametrize(("capability", "name"), [
    (capability, name) for capability, names in default._OF_CAPABILITY.items() for name in names.split()
])  # fmt: skip
def test_capabilities_bring_calls(capability: str, name: str) -> None:
    kind = "X86" if name == "stime" or "64" in name else "X86_64"
    table = numbers.numbers(kind)
    if name in table:
        assert Program(capability).ask(name, kind=kind) == ALLOW
    else:
        assert name == "umount"


def test_a_call_that_came_later_does_not_exist() -> None:
    code = bpf.compile_filter(filters.parse(default.profile((), FAMILY), FAMILY))[1]
    for number in (467, 500, 0x3FFFFFFF, 0x40000000, 0xFFFFFFFF):
        assert run(code, Call(AUDIT["X86_64"], number))[0] == ENOSYS


def test_common_calls_are_found_soon() -> None:
    code = bpf.compile_filter(filters.parse(default.profile(capabilities.DEFAULT, FAMILY), FAMILY))[1]
    assert len(code) // 8 < 500
    for number in numbers.numbers("X86_64").values():
        assert run(code, Call(AUDIT["X86_64"], number))[1] <= 20


def test_the_last_word_counts(tmp_path: pathlib.Path) -> None:
    ask = seccomp.resolve
    assert ask(("seccomp=unconfined",), (), privileged=False) is None
    assert ask((), (), privileged=True) is None
    builtin = ask((), (), privileged=False)
    assert builtin == ask(("apparmor=x", "seccomp=unconfined", "seccomp=builtin"), (), privileged=True)
    assert builtin == ask(("seccomp=default",), (), privileged=True)
    for bad, sentence in (("nowhere", "No such file"), ("", "No such file")):
        with pytest.raises(InvalidSpec, match=sentence):
            ask((f"seccomp={bad}",), (), privileged=False)
    (tmp_path / "p.json").write_text('{"defaultAction": "SCMP_ACT_LOG"}')
    found = ask((f"seccomp={tmp_path}/p.json",), (), privileged=True)
    assert found is not None
    assert found["defaultAction"] == "SCMP_ACT_LOG"


def test_machines_without_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "h", "6.1.0", "v", "mips64")))
    with pytest.raises(Unsupported, match="seccomp=unconfined"):
        seccomp.resolve((), (), privileged=False)


def test_a_program_is_made_once_and_never_from_half_a_file(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = seccomp.resolve((), (), privileged=False)
    assert words is not None
    made = seccomp.compiled(f"{tmp_path}/kept", words)
    (file,) = (tmp_path / "kept").iterdir()
    whole = file.read_bytes()
    for broken in (b"", whole[:20], whole[:-8], whole[:50] + bytes([whole[50] ^ 1]) + whole[51:]):
        file.write_bytes(broken)
        assert seccomp.compiled(f"{tmp_path}/kept", words) == made
        assert file.read_bytes() == whole
    monkeypatch.setattr(bpf, "compile_filter", None)
    assert seccomp.compiled(f"{tmp_path}/kept", jsontext.loads(jsontext.dumps(words))) == made
    assert made.flags == 4
    with pytest.raises(TypeError):
        seccomp.compiled(f"{tmp_path}/kept", {**words, "defaultErrnoRet": 2})


def test_listeners(tmp_path: pathlib.Path) -> None:
    asks = {"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}
    words: dict[str, Any] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [asks],
        "listenerPath": "/s",
        "listenerMetadata": "m",
    }
    words["flags"] = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG"]
    made = seccomp.compiled(str(tmp_path), words)
    assert (made.flags, made.listener, made.metadata) == (2 | 8 | 32, "/s", "m")
    quiet = seccomp.compiled(str(tmp_path), {**words, "syscalls": []})
    assert (quiet.flags, quiet.listener, quiet.metadata) == (2, "", "")


READ = {"names": ["read"], "action": "SCMP_ACT_ALLOW"}
ARGUMENT = {"index": 0, "op": "SCMP_CMP_EQ", "value": 1}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"defaultAction": "ALLOW"}, r"linux.seccomp.defaultAction: 'ALLOW' is no action"),
        ({"defaultAction": None}, "defaultAction"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "would ask about everything"),
        ({"defaultAction": "SCMP_ACT_KILL", "defaultErrnoRet": 1}, "SCMP_ACT_KILL has no error number"),
        ({"defaultErrnoRet": 4096}, "from 0 to 4095"),
        ({"defaultErrnoRet": True}, "no whole number"),
        ({"architectures": ["SCMP_ARCH_Z80"]}, "'Z80' is none"),
        ({"architectures": "SCMP_ARCH_X86"}, "architectures is no array"),
        ({"flags": ["LOG"]}, "flags: 'LOG' is none"),
        ({"listenerMetadata": "x"}, "needs a listenerPath"),
        ({"listenerPath": 1}, "is no text"),
        ({"syscalls": [{**READ, "names": []}]}, r"syscalls\[0\].names: there is no system call"),
        ({"syscalls": [READ, {**READ, "names": [7]}]}, r"syscalls\[1\].names: 7 is no name"),
        ({"syscalls": [{**READ, "errnoRet": 1}]}, "SCMP_ACT_ALLOW has no error number"),
        ({"syscalls": [{**READ, "action": "SCMP_ACT_NOTIFY"}]}, "linux.seccomp.listenerPath: SCMP_ACT_NOTIFY needs one"),
        ({"syscalls": [{"names": ["write"], "action": "SCMP_ACT_NOTIFY"}]}, "can't be had for write"),
        ({"syscalls": [{**READ, "args": [{**ARGUMENT, "index": 6}]}]}, r"args\[0\].index: 6 is no whole number from 0 to 5"),
        ({"syscalls": [{**READ, "args": [{**ARGUMENT, "op": "SCMP_CMP_X"}]}]}, r"args\[0\].op: 'SCMP_CMP_X' is no comparison"),
        ({"syscalls": [{**READ, "args": [{**ARGUMENT, "value": 1 << 64}]}]}, r"args\[0\].value"),
        ({"syscalls": [{**READ, "args": [{**ARGUMENT, "value": -1}]}]}, r"args\[0\].value"),
        ({"syscalls": ["read"]}, r"syscalls\[0\] is no object"),
        ({"syscalls": {}}, "syscalls is no array"),
    ],
)  # fmt: skip
def test_what_the_specification_does_not_allow(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidSpec, match=sentence):
        filters.parse({"defaultAction": "SCMP_ACT_ERRNO", **change}, FAMILY)


DOCKERS: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 1,
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
        {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": None},
    ],
    "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "comment": "", "args": [], "includes": {}, "excludes": {}},
        {"name": "mount", "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {"names": ["brk"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "6.2"}},
        {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
        {"names": ["set_tls"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm", "arm64"]}},
        {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errno": "ESRCH", "excludes": {"arches": ["s390"]}},
    ],
}


def names_of(document: dict[str, Any], *held: str, family: tuple[str, ...] = FAMILY, release: str = "6.1.0-9") -> str:
    made = profile.from_document(document, held, family, release)
    json.dumps(made)
    return " ".join(name for entry in made["syscalls"] for name in entry["names"])


def test_dockers_form() -> None:
    assert names_of(DOCKERS) == "read clone3 ptrace brk arch_prctl kill"
    assert names_of(DOCKERS, "SYS_ADMIN") == "read mount ptrace brk arch_prctl kill"
    assert names_of(DOCKERS, release="4.7.3") == "read clone3 brk arch_prctl kill"
    assert names_of(DOCKERS, release="6.10-rc1") == "read clone3 ptrace arch_prctl kill"
    assert names_of(DOCKERS, family=("AARCH64", "ARM")) == "read clone3 ptrace brk set_tls kill"
    made = profile.from_document(DOCKERS, (), FAMILY, "6.1")
    assert made["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    assert made["syscalls"][-1] == {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 3}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"defaultaction": ""}, "'defaultaction' is not known"),
        ({"architectures": ["SCMP_ARCH_X86"]}, "architectures and archMap are both there"),
        ({"syscalls": [{**READ, "arg": []}]}, "'arg' is not known"),
        ({"syscalls": [{**READ, "name": "read"}]}, "both name and names"),
        ({"syscalls": [{**READ, "args": [{**ARGUMENT, "val": 1}]}]}, "'val' is not known"),
        ({"syscalls": [{**READ, "includes": {"cap": []}}]}, "'cap' is not known"),
        ({"syscalls": [{**READ, "includes": {"minKernel": "4"}}]}, "'4' is no kernel version"),
        ({"syscalls": [{**READ, "action": "SCMP_ACT_NOTIFY"}], "listenerPath": "/s"}, "for bundles that berth oci runs"),
        ({"syscalls": [{**READ, "errno": "EVERY"}]}, "'EVERY' is no error's name"),
        ({"syscalls": [{**READ, "errno": "EPERM", "errnoRet": 2}]}, "'EPERM' is no error's name, or another's"),
    ],
)  # fmt: skip
def test_a_profile_with_a_word_that_nobody_knows(change: dict[str, Any], sentence: str, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "profile.json"
    file.write_text(json.dumps({**DOCKERS, **change}))
    with pytest.raises(InvalidSpec, match=sentence) as caught:
        seccomp.resolve((f"seccomp={file}",), (), privileged=False)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(("text", "sentence"), [("{", "is no JSON"), ("[" * 100_000, "is no JSON"), ("[]", "is no object"),
                                                (" " * (1 << 20) + "{}", "is larger than")])  # fmt: skip
def test_files_that_are_no_profile(text: str, sentence: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "p").write_text(text)
    with pytest.raises(InvalidSpec, match=sentence):
        seccomp.resolve((f"seccomp={tmp_path}/p",), (), privileged=False)
