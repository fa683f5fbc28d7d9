# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's processes see of the host and of each other, looked at from inside."""

from __future__ import annotations

import ctypes
import os
import pathlib
import resource
import signal
import subprocess

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.container import (
    create,
    execute,
    normalise,
    start,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError, InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.runtime import wire
from ansible_collections.berth.containers.plugins.module_utils._engine.security import capabilities, masks
from ansible_collections.berth.containers.tests.kernel.house import WAIT, House, in_child

NAMESPACES = ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup", "time")
SHOW_NAMESPACES = "for n in user pid mnt net ipc uts cgroup time; do readlink /proc/self/ns/$n; done"


def words(text: str) -> dict[str, str]:
    """The lines of /proc/PID/status."""
    return {key: value.strip() for key, _unused, value in (line.partition(":") for line in text.splitlines())}


def here(name: str) -> str:
    return os.readlink(f"/proc/self/ns/{name}")


def test_every_namespace_is_the_containers_own(house: House) -> None:
    seen = dict(zip(NAMESPACES, house.run(SHOW_NAMESPACES).out.split(), strict=True))
    assert [name for name in NAMESPACES if seen[name] == here(name)] == []


def test_who_joins_has_the_same_namespaces(house: House) -> None:
    made = house.up()
    seen = house.exec(made["name"], SHOW_NAMESPACES).out.split()
    assert seen == [os.readlink(f"/proc/{made['state']['pid']}/ns/{name}") for name in NAMESPACES]


def test_userns_mode_host_shares_that_one_namespace_and_no_other(house: House) -> None:
    seen = dict(zip(NAMESPACES, house.run(SHOW_NAMESPACES, userns_mode="host").out.split(), strict=True))
    assert [name for name in NAMESPACES if seen[name] == here(name)] == ["user"]


def test_root_inside_is_nobody_outside(house: House) -> None:
    made = house.up()
    inside = house.exec(made["name"], "id -u; cat /proc/self/uid_map /proc/self/gid_map").out.split()
    assert inside == ["0", *("0", str(made["userns_start"]), "65536") * 2]
    assert os.stat(f"/proc/{made['state']['pid']}").st_uid == made["userns_start"]
    other = house.up()
    assert abs(other["userns_start"] - made["userns_start"]) >= 65_536


def test_hostname_and_first_process(house: House) -> None:
    done = house.run("hostname; cat /etc/hostname; echo $$", hostname="inner.example")
    assert done.out.split() == ["inner.example", "inner.example", "1"]
    assert os.uname().nodename != "inner.example"
    assert house.run("hostname").out.strip() != os.uname().nodename


def test_processes_are_invisible_to_each_other_and_the_host_to_both(house: House) -> None:
    a, b = house.up(["sleep", "4111"]), house.up(["sleep", "4222"])
    for mine, other in ((a, "4222"), (b, "4111")):
        seen = house.exec(mine["name"], "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").out
        assert "sleep 4" in seen
        assert other not in seen
        assert len(house.exec(mine["name"], "ls -d /proc/[0-9]*").out.split()) == 2
        killed = house.exec(mine["name"], f"kill -0 {os.getpid()} 2>&1; kill -0 {b['state']['pid']} 2>&1").out
        assert killed.count("No such process") == 2
    assert os.path.isdir(f"/proc/{a['state']['pid']}")


def test_the_old_root_is_gone(house: House, tmp_path: pathlib.Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("host")
    up = "/".join([".."] * 40)
    for mode in ({}, {"privileged": True}, {"userns_mode": "host"}):
        done = house.run(
            f"for p in /proc/1/root /proc/self/root /proc/1/cwd / /{up}; do cat $p{canary} && echo ESCAPED; done;"
            "cat /proc/self/mountinfo",
            **mode,  # type: ignore[arg-type]
        )
        assert "ESCAPED" not in done.out
        assert str(tmp_path) not in done.out
        roots = [line.split(" ")[4] for line in done.out.splitlines()]
        assert roots.count("/") == 1
        # Nothing but our own kinds of file systems, the three small files, and no path of the host's among them.
        plain = {line.split(" ")[4] for line in done.out.splitlines() if " - ext4 " in line or " - btrfs " in line}
        assert plain <= {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}


def test_chroot_does_not_lead_out(house: House, tmp_path: pathlib.Path) -> None:
    """The classic walk: a root below the working directory, then up. pivot_root leaves nothing to walk to."""
    (tmp_path / "canary").write_text("host")
    up = "/".join([".."] * 40)
    script = f"mkdir /x; cd /; chroot /x true; cat {up}{tmp_path}/canary; ls -d {up}/work"
    assert "host" not in house.run(script, userns_mode="host", cap_add=["ALL"]).out


def test_no_descriptor_but_three(house: House) -> None:
    name = house.up()["name"]
    extra = os.dup(1)
    os.set_inheritable(extra, True)
    try:
        shown = house.run("ls /proc/1/fd; echo; ls -l /proc/1/fd; true").out.partition("\n\n")
        joined = house.exec(name, "ls /proc/$$/fd; true").out.split()
    finally:
        os.close(extra)
    assert [fd for fd in shown[0].split() if int(fd) > 2] == []
    assert "/dev/null" in shown[2]
    assert [fd for fd in joined if int(fd) > 2] == []


def test_no_environment_of_the_hosts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "x")
    done = house.run("cat /proc/1/environ | tr '\\0' '\\n'; true", env={"MINE": "a=b"})
    names = {line.partition("=")[0] for line in done.out.splitlines()}
    assert names == {"PATH", "HOSTNAME", "HOME", "MINE"}
    assert "MINE=a=b" in done.out.splitlines()
    made = house.up()
    assert "SECRET" not in house.exec(made["name"], "env; tr '\\0' '\\n' </proc/$$/environ").out


def test_the_process_starts_with_a_clean_slate(house: House) -> None:
    """Whatever the caller blocked, ignored or set is not the container's (CPython itself ignores SIGPIPE)."""
    before = os.umask(0o77)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})
    ignored = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    os.nice(3)
    try:
        script = "grep -E '^(Sig(Blk|Ign)|Umask|Groups)' /proc/self/status; pwd; umask"
        first, made = house.run(["sh", "-c", script]), house.up()
        joined = house.exec(made["name"], script)
    finally:
        os.umask(before)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGUSR2, ignored)
    for done in (first, joined):
        shown = words(done.out)
        assert int(shown["SigBlk"], 16) == 0, shown
        assert int(shown["SigIgn"], 16) == 0, shown
        assert shown["Umask"] == "0022"
        assert done.out.split()[-2:] == ["/", "0022"]


def test_limits_and_processors_are_not_the_callers(house: House) -> None:
    """What a shell's ulimit or taskset gave to the command that starts a container is none of the container's affair."""
    libc = ctypes.CDLL(None, use_errno=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    processors = os.sched_getaffinity(0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, hard))
    os.sched_setaffinity(0, {min(processors)})
    libc.personality(0x0040000)  # ADDR_NO_RANDOMIZE
    try:
        script = "ulimit -f; nproc; cat /proc/self/personality"
        said = [house.run(script).out, house.exec(house.up()["name"], script).out]
    finally:
        libc.personality(0)
        os.sched_setaffinity(0, processors)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for text in said:
        limit, count, personality = text.split()
        assert limit == "unlimited"
        assert int(count) == len(processors)
        assert int(personality, 16) == 0


def test_working_directory(house: House) -> None:
    assert house.run("pwd", working_dir="/made/for/it").out == "/made/for/it\n"
    with pytest.raises(EngineError, match="working_dir /etc/passwd"):
        house.run("pwd", working_dir="/etc/passwd")
    for number in range(3, 12):
        with pytest.raises(EngineError, match="working_dir /proc/self/fd"):
            house.run("pwd", working_dir=f"/proc/self/fd/{number}")


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        ({}, capabilities.DEFAULT),
        ({"cap_add": ["NET_ADMIN"]}, (*capabilities.DEFAULT, "NET_ADMIN")),
        ({"cap_drop": ["CHOWN", "cap_kill"]}, tuple(set(capabilities.DEFAULT) - {"CHOWN", "KILL"})),
        ({"cap_drop": ["ALL"]}, ()),
        ({"cap_drop": ["ALL"], "cap_add": ["SETUID"]}, ("SETUID",)),
        ({"user": "12345"}, ()),
    ],
)
def test_capabilities(house: House, asked: dict[str, object], held: tuple[str, ...]) -> None:
    bounding = capabilities.DEFAULT if "user" in asked else held
    done = house.run("cat /proc/self/status", **asked)
    name = house.up(**asked)["name"]
    for said in (done, house.exec(name, "cat /proc/self/status")):
        shown = words(said.out)
        for kind, wanted in (("Eff", held), ("Prm", held), ("Bnd", bounding), ("Inh", ()), ("Amb", ())):
            assert int(shown[f"Cap{kind}"], 16) == capabilities.mask(tuple(wanted)), kind
        assert shown["NoNewPrivs"] == "1"


def test_privileged_has_all_that_the_host_has(house: House) -> None:
    shown = words(house.run("cat /proc/self/status", privileged=True, userns_mode="host").out)
    ours = words(pathlib.Path("/proc/self/status").read_text())
    assert shown["CapBnd"] == ours["CapBnd"]
    assert shown["NoNewPrivs"] == "0"


def test_capabilities_by_effect(house: House) -> None:
    script = "mkdir -p /mnt; mount -t tmpfs none /mnt && echo MOUNTED; hostname other && echo NAMED; chown 1 /etc && echo OWNED"
    assert house.run(script).out == "OWNED\n"
    assert house.run(script, cap_add=["SYS_ADMIN"]).out == "MOUNTED\nNAMED\nOWNED\n"
    assert house.run(script, cap_drop=["CHOWN"]).out == ""


def test_set_id_programs_give_nothing(house: House) -> None:
    script = "chmod 4755 /bin/busybox; su -s /bin/sh nobody -c 'id -u; su -c true' 2>&1"
    assert "must be suid" in house.run(script).out
    assert "must be suid" not in house.run(script, privileged=True).out


def test_masked_paths_hold_nothing(house: House) -> None:
    script = (
        "for p in $PATHS; do [ -e $p ] || continue;"
        "echo $p $(cat $p 2>/dev/null | wc -c) $(ls -A $p 2>/dev/null | grep -vxF $p | wc -l); done"
    )
    done = house.run(script, env={"PATHS": " ".join(masks.MASKED)})
    rows = [line.split() for line in done.out.splitlines()]
    assert {"/proc/kcore", "/proc/keys", "/proc/timer_list"} & {row[0] for row in rows}
    assert [row for row in rows if row[1:] != ["0", "0"]] == []
    free = house.run("cat /proc/timer_list /proc/keys /proc/interrupts | wc -c", privileged=True, userns_mode="host")
    assert int(free.out) > 0


def test_read_only_paths_are(house: House) -> None:
    script = (
        "for p in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/sys/net/ipv4/ip_forward; do echo x 2>&1 >$p; done;"
        "mkdir /sys/x /sys/fs/cgroup/x /sys/fs/cgroup/pids/x /proc/bus/x; touch /proc/irq/x"
    )
    for mode in ({}, {"userns_mode": "host"}):
        done = house.run(script, **mode)  # type: ignore[arg-type]
        said = (done.out + done.err).splitlines()
        assert len(said) >= 7, said
        assert [
            line for line in said if not any(word in line for word in ("Read-only", "No such", "nonexistent"))
        ] == []


def test_dev_has_what_programs_expect_and_no_more(house: House) -> None:
    done = house.run(
        "cd /dev; for f in *; do [ -c $f ] && [ ! -L $f ] && echo $f $(stat -c '%t:%T %a %u:%g' $f); done;"
        "echo discarded >/dev/null && head -c 4 /dev/zero | od -An -tx1; head -c 8 /dev/urandom | wc -c; echo x >/dev/full;"
        "echo $?; ls -l fd stdin stdout stderr ptmx | sed 's/.*[0-9] //'"
    )
    nodes = dict(line.split(" ", 1) for line in done.out.splitlines()[:6])
    assert nodes == {
        "full": "1:7 666 0:0",
        "null": "1:3 666 0:0",
        "random": "1:8 666 0:0",
        "tty": "5:0 666 0:0",
        "urandom": "1:9 666 0:0",
        "zero": "1:5 666 0:0",
    }
    rest = done.out.splitlines()[6:]
    assert rest[:3] == [" 00 00 00 00", "8", "1"]
    assert "fd -> /proc/self/fd" in rest
    assert "ptmx -> pts/ptmx" in rest


def test_device_nodes_of_an_image_are_inert(house: House, tmp_path: pathlib.Path) -> None:
    """A node in the root is a name and nothing else, also for a container whose root is the host's."""
    top = house.paths.root
    base = next(iter(pathlib.Path(top, "layers").iterdir())) / "diff"
    subprocess.run(["cp", "-a", str(base), str(tmp_path / "root")], check=True)
    os.mknod(tmp_path / "root/bin/null", 0o020666, os.makedev(1, 3))
    os.mknod(tmp_path / "root/bin/zero", 0o020666, os.makedev(1, 5))
    house.ask("container_image", name="nodes", rootfs=str(tmp_path / "root"))
    try:
        for mode in ({}, {"userns_mode": "host"}, {"userns_mode": "host", "cap_add": ["MKNOD"]}):
            done = house.run(
                "ls /bin/null && head -c 1 /bin/zero; echo x >/bin/null; mknod /n c 1 5 && head -c 1 /n",
                image="nodes",
                **mode,  # type: ignore[arg-type]
            )
            assert done.out == "/bin/null\n"
            assert done.err.count("Permission denied") + done.err.count("not permitted") >= 3
    finally:
        house.clean()
        house.ask("container_image", name="nodes", state="absent")


def test_who_joins_can_not_be_looked_into(house: House) -> None:
    """Nobody inside may open a joining process's files, however long it makes it take to become the container's own."""
    slow = "for i in $(seq 25000); do echo user$i:x:$i:$i::/:/bin/sh; done >>/etc/passwd"
    watch = "while :; do ls -l /proc/[0-9]*/exe 2>/dev/null; done | while read x; do case $x in *python*) echo $x; esac; done"
    name = house.up(["sh", "-c", f"{slow}; touch /ready; {watch}"])["name"]
    while house.exec(name, ["test", "-e", "/ready"]).code:
        continue
    for _unused in range(5):
        house.exec(name, "true", user="user24999")
    assert house.log(name) == []


def test_a_read_only_root_keeps_its_temporary_places(house: House) -> None:
    done = house.run(
        "touch /x; touch /etc/x; touch /t/x && echo T; touch /dev/shm/x && echo S; echo x >/etc/hosts",
        read_only=True,
        tmpfs=["/t:size=1m"],
    )
    assert done.out == "T\nS\n"
    assert done.err.count("Read-only file system") == 2 + ("/etc/hosts" in done.err)


def test_network_of_its_own_shows_no_link_of_the_hosts(house: House) -> None:
    links = house.run(
        "ls /sys/class/net; cat /proc/net/dev | tail -n +3 | cut -d: -f1; ip -o link | grep -c UP"
    ).out.split()
    assert links == ["lo", "lo", "1"]
    seen = house.run("readlink /proc/self/ns/net; ls /sys/class/net", network_mode="host").out.split()
    assert seen[0] == here("net")
    assert {name for name in seen[1:] if not name.startswith(("bv", "veth"))} - set(
        os.listdir("/sys/class/net")
    ) == set()


def test_the_keyring_is_a_new_one(house: House) -> None:
    """The caller's session keys stay outside. A privileged container may look at what it has."""
    libc = ctypes.CDLL(None, use_errno=True)
    add_key, keyctl = (248, 250) if os.uname().machine == "x86_64" else (217, 219)
    session_keyring, join, set_permissions, read = -3, 1, 5, "grep -c 'secret of the host' /proc/keys"
    name, options = house.name(), {"image": "base", "network_mode": "none", "userns_mode": "host", "privileged": True}
    house.made.append(name)

    def work() -> tuple[bool, str]:
        libc.syscall(keyctl, join, b"of the host")
        key = libc.syscall(add_key, b"user", b"secret of the host", b"x", 1, session_keyring)
        libc.syscall(keyctl, set_permissions, key, 0x3F000000)  # only for those who have it in a keyring of theirs
        record = create.create(house.paths, normalise.normalise({**options, "name": name, "command": WAIT}))
        start.start(house.paths, record)
        ours = "secret of the host" in pathlib.Path("/proc/keys").read_text()
        session = execute.open_session(house.paths, record, execute.ExecSpec(argv=("sh", "-c", read)))
        with session:
            return ours, session.communicate(b"")[1].decode()

    ours, joined = in_child(work)
    if not ours:
        pytest.skip("this kernel has no keys")
    assert joined == "0\n"
    assert house.exec(name, f"cat /proc/1/status >/dev/null; {read}").out == "0\n"


def test_bad_options_say_so(house: House) -> None:
    for bad, match in (
        ({"cap_add": ["NET_EVERYTHING"]}, "capability"),
        ({"userns_mode": "keep-id"}, "userns_mode"),
        ({"user": "nobody-here"}, "nobody-here"),
        ({"user": "0_0"}, "0_0"),
        ({"user": "4294967296"}, "4294967296"),
        ({"user": "root:nogroup-here"}, "nogroup-here"),
    ):
        with pytest.raises(InvalidSpec, match=match):
            house.run(["true"], **bad)


def test_users_of_the_image(house: House) -> None:
    who = "id -u; id -g; echo $HOME"
    assert house.run(who, user="nobody").out.split()[0] != "0"
    assert house.run(who, user="1234:77").out.split()[:2] == ["1234", "77"]
    name = house.up(user="1234:77")["name"]
    assert house.exec(name, who).out.split()[:2] == ["1234", "77"]
    assert house.exec(name, who, user="0").out.split()[:2] == ["0", "0"]


def test_only_root_may_attach(house: House) -> None:
    made = house.up()
    path = f"{house.paths.container_run(made['id'])}/control.sock"
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(os.path.dirname(path)).st_mode & 0o777 == 0o700
    assert wire.LONGEST == 1 << 20


@pytest.mark.parametrize("user", ["", "0", "1234:77"])
@pytest.mark.parametrize("userns_mode", ["auto", "host"])
def test_programs_may_open_their_streams_again(house: House, user: str, userns_mode: str) -> None:
    """What web servers do to log: the pipe belongs to whoever runs, not to the host's root."""
    script = "echo out >/dev/stdout; echo err >/dev/stderr; cat /dev/stdin"
    options = {"userns_mode": userns_mode, **({"user": user} if user else {})}
    assert house.run(script, stdin=b"in\n", **options) == (0, "out\nin\n", "err\n")
    assert house.exec(house.up(**options)["name"], script, b"in\n") == (0, "out\nin\n", "err\n")


def test_a_callers_umask_keeps_nothing_from_the_container(house: House) -> None:
    """Its small files, mount points and devices are for all of its users, whatever the play's umask was."""
    before = os.umask(0o077)
    try:
        name = house.up(user="1234", tmpfs=["/t"], volumes=["/usr/share:/made/for/it:ro"])["name"]
    finally:
        os.umask(before)
    done = house.exec(
        name,
        "cat /etc/hosts /etc/hostname /etc/resolv.conf && ls /made/for/it && touch /t/x && echo x >/dev/null && ls /",
    )
    assert (done.code, done.err) == (0, "")
