# SPDX-License-Identifier: GPL-3.0-or-later
"""Each option of isolation as the container's processes see it, and as those that join it do."""

from __future__ import annotations

import os
import pathlib
import resource
import stat
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cgroup import hierarchy
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import (
    Conflict,
    EngineError,
    InvalidSpec,
    NotFound,
    NotPermitted,
    Refused,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.kernel import capabilities, capsets
from ansible_collections.berth.containers.tests.kernel.house import House


def here(name: str) -> str:
    return os.readlink(f"/proc/self/ns/{name}")


def groups_at(path: str) -> list[str]:
    return [f"{point}/{path}" for point in hierarchy.mounted().mount_points() if os.path.isdir(f"{point}/{path}")]


def processes_of(made: dict[str, Any]) -> set[str]:
    """The processes in the groups of a container, as the host numbers them."""
    found: set[str] = set()
    with open(f"/proc/{made['state']['pid']}/cgroup") as file:
        paths = {line.strip().split(":", 2)[2] for line in file if made["id"] in line}
    for path in paths:
        for directory in groups_at(path.lstrip("/")):
            with open(f"{directory}/cgroup.procs") as file:
                found.update(file.read().split())
    return found


def is_alive(pid: str) -> bool:
    """Whether it could still do anything: one that nobody has waited for yet can't."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def both(house: House, script: str, **params: object) -> list[str]:
    """What the script says in the first process, and in one that joins; they must say the same."""
    made = house.up(**params)
    joined = house.exec(made["name"], script)
    first = house.run(script, **params)
    assert (first.code, first.err) == (0, ""), first
    assert joined == first
    return first.out.split()


def test_limits_of_a_process(house: House) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    script = "grep -E 'open files|core file|stack' /proc/self/limits | sed 's/  */ /g' | cut -d' ' -f1-6"
    rows = " ".join(both(house, script, ulimits=["nofile=100:200", "stack=1048576:-1"]))
    assert rows == "Max stack size 1048576 unlimited bytes Max core file size 0 0 Max open files 100 200 files"
    if hard != resource.RLIM_INFINITY:
        with pytest.raises(InvalidSpec, match=r"ulimits: nofile: .* this host allows"):
            house.run("true", ulimits=[f"nofile={hard + 1}"])


def test_umask_and_groups(house: House) -> None:
    assert both(house, "umask; id -G", umask="0027", groups=["4242", "tty"], user="1000:1000") == [
        "0027",
        "1000",
        "5",
        "4242",
    ]
    assert both(house, "umask") == ["0022"]
    with pytest.raises(InvalidSpec, match="group 'nobodyknows' is not in the container"):
        house.run("true", groups=["nobodyknows"])


def test_no_new_privileges(house: House) -> None:
    show = "grep NoNewPrivs /proc/self/status | cut -f2"
    assert both(house, show) == ["1"]
    assert both(house, show, no_new_privileges=False) == ["0"]
    assert both(house, show, security_opts=["no-new-privileges:false"]) == ["0"]
    assert both(house, show, privileged=True) == ["0"]
    assert both(house, show, privileged=True, no_new_privileges=True) == ["1"]


def test_how_soon_it_is_killed(house: House) -> None:
    assert both(house, "cat /proc/self/oom_score_adj", oom_score_adj=321) == ["321"]
    if not capsets.permitted() & capabilities.mask(("CAP_SYS_RESOURCE",)):
        with pytest.raises(NotPermitted, match="oom_score_adj: -10 is below"):
            house.run("true", oom_score_adj=-10)


def test_kernel_parameters(house: House) -> None:
    names = "/proc/sys/net/core/somaxconn /proc/sys/kernel/shmmax /proc/sys/fs/mqueue/msg_max"
    wanted = {"net.core.somaxconn": 77, "kernel.shmmax": 123456, "fs.mqueue.msg_max": 7}
    before = [open(name).read() for name in names.split()]  # noqa: SIM115
    assert both(house, f"cat {names}", sysctls=wanted) == ["77", "123456", "7"]
    assert [open(name).read() for name in names.split()] == before  # noqa: SIM115
    with pytest.raises(EngineError, match=r"net\.no\.such: this kernel has it for the host alone, or not at all"):
        house.run("true", sysctls={"net.no.such": 1})


def test_size_of_shared_memory(house: House) -> None:
    show = "df -k /dev/shm | tail -n 1 | sed 's/  */ /g' | cut -d' ' -f1,2"
    assert both(house, show) == ["shm", "65536"]
    assert both(house, show, shm_size="2M") == ["shm", "2048"]
    assert both(house, "mount | grep -c /dev/shm || true", ipc_mode="none") == ["0"]


def test_names_of_the_host(house: House) -> None:
    show = "hostname; cat /etc/hostname; echo $HOSTNAME; cat /proc/sys/kernel/domainname"
    assert both(house, show, hostname="inner", domainname="nis.example") == ["inner", "inner", "inner", "nis.example"]
    name = os.uname().nodename
    seen = both(house, f"{show}; readlink /proc/self/ns/uts", uts_mode="host")
    assert [*seen[:3], seen[-1]] == [name, name, name, here("uts")]
    assert os.uname().nodename == name


def test_control_groups_of_the_host(house: House) -> None:
    show = "readlink /proc/self/ns/cgroup; cut -d: -f3 /proc/self/cgroup | sort -u"
    made = house.up(cgroupns_mode="host")
    space, *paths = house.exec(made["name"], show).out.split()
    assert space == here("cgroup")
    assert any(path.endswith(f"/{house.paths.cgroup}/{made['id']}") for path in paths)
    own = house.exec(house.up()["name"], show).out.split()
    assert own[0] != here("cgroup")
    assert own[1:] == ["/"]


def test_processes_of_the_host(house: House) -> None:
    made = house.up(pid_mode="host")
    inside = house.exec(made["name"], "readlink /proc/self/ns/pid; echo $PPID; test -d /proc/1; ls -d /proc/[0-9]*").out
    assert inside.split()[0] == here("pid")
    assert f"/proc/{made['state']['pid']}" in inside.split()
    assert f"/proc/{os.getpid()}" in inside.split()
    # Seen, and not touched: root inside is nobody outside.
    assert house.exec(made["name"], f"kill -0 {os.getpid()}").code == 1
    assert house.exec(made["name"], "cat /proc/1/environ").code == 1


def test_what_a_container_with_the_hosts_processes_leaves(house: House) -> None:
    """There is no process namespace whose end ends them all."""
    made = house.up(["sh", "-c", "sleep 1000 & exec sleep 999"], pid_mode="host")
    pids = processes_of(made)
    assert len(pids) == 2
    house.ask("container", name=made["name"], state="stopped")
    assert [pid for pid in pids if is_alive(pid)] == []


def test_processes_of_another(house: House) -> None:
    one = house.up(["sh", "-c", "exec sleep 4242"])
    other = house.up(["sleep", "4343"], pid_mode=f"container:{one['name']}")
    spaces = "readlink /proc/self/ns/pid; readlink /proc/self/ns/user"
    seen = house.exec(other["name"], f"ps -o args; {spaces}").out
    assert "sleep 4242" in seen
    assert "sleep 4343" in seen
    assert house.exec(one["name"], spaces).out.split() == seen.split()[-2:]
    assert other["userns_start"] == one["userns_start"]
    house.ask("container", name=one["name"], state="stopped")
    with pytest.raises(NotFound, match=f"container {one['name']} does not run"):
        house.run("true", pid_mode=f"container:{one['name']}")


def test_shared_memory_is_shared_when_both_say_so(house: House) -> None:
    one = house.up(ipc_mode="shareable", shm_size="1M")
    house.exec(one["name"], "echo hello > /dev/shm/word")
    other = house.up(ipc_mode=f"container:{one['name']}")
    seen = house.exec(
        other["name"], "cat /dev/shm/word; stat -c %u /dev/shm/word; readlink /proc/self/ns/ipc"
    ).out.split()
    assert seen == ["hello", "0", os.readlink(f"/proc/{one['state']['pid']}/ns/ipc")]
    assert house.exec(house.up()["name"], "ls /dev/shm").out == ""
    private = house.up()
    with pytest.raises(Conflict, match="does not share its IPC"):
        house.run("true", ipc_mode=f"container:{private['name']}")


def test_ipc_of_the_host(house: House) -> None:
    mark = f"/dev/shm/berth-{os.getpid()}"
    with open(mark, "w") as file:
        file.write("hello")
    try:
        assert house.run(f"cat {mark}; readlink /proc/self/ns/ipc", ipc_mode="host").out == f"hello{here('ipc')}\n"
        assert house.run(f"cat {mark}").code == 1
    finally:
        os.unlink(mark)


def test_a_place_that_a_hostile_owner_prepared_is_not_shared(house: House) -> None:
    """A link at /dev/shm would lead to the host's files."""
    one = house.up(ipc_mode="shareable", privileged=True)
    assert house.exec(one["name"], "umount /dev/shm && rmdir /dev/shm && ln -s /etc /dev/shm").code == 0
    with pytest.raises(EngineError, match="dev/shm"):
        house.run("ls /dev/shm", ipc_mode=f"container:{one['name']}")


def test_a_device_that_is_given_works_and_others_do_not(house: House) -> None:
    script = "echo x > /dev/mine && stat -c '%t:%T %a' /dev/mine"
    assert house.run(script, devices=["/dev/null:/dev/mine"]).out == "1:3 666\n"
    # As root of the host, so that nothing but the device group says no.
    script = "mknod /tmp/k c 1 2; head -c 1 /tmp/k; mknod /tmp/n c 1 3 && echo x > /tmp/n && echo fine"
    done = house.run(script, userns_mode="host", privileged=False, cap_add=["MKNOD"], tmpfs=["/tmp:dev"])
    assert "Operation not permitted" in done.err
    assert "fine" in done.out


def test_memory_at_dev_has_devices_and_terminals(house: House) -> None:
    script = "tty; echo x >/dev/null && df -k /dev | tail -n 1; ls /dev /dev/pts | tr '\\n' ' '; touch /dev/shm/a"
    done = house.run(script, tty=True, tmpfs={"/dev": "size=1m,mode=755"})
    assert done.code == 0, done.out
    assert done.out.startswith("/dev/pts/0\r\n")
    assert done.out.splitlines()[1].split()[:2] == ["tmpfs", "1024"]
    assert {"console", "null", "mqueue", "ptmx", "pts", "shm", "tty"} <= set(done.out.split())


def test_a_volume_at_dev_is_all_there_is_in_it(house: House, tmp_path: pathlib.Path) -> None:
    """As with Docker; what can not be had then is said, and nothing is made in the volume."""
    mine = tmp_path / "dev"
    mine.mkdir()
    (mine / "log").write_text("kept")
    volumes = [f"{mine}:/dev"]
    seen = house.run("ls -A /dev; cat /dev/log", volumes=volumes, security_opts=["unmask=ALL"])
    assert (seen.code, seen.out.split()) == (0, ["log", "kept"])
    with pytest.raises(
        Refused, match="covered with this container's /dev/null: No such file or directory: mount at /dev"
    ):
        house.run("true", volumes=volumes)
    for params, option, place in (
        ({"volumes": volumes}, "volumes", "/dev"),
        ({"volumes": [f"{mine}:/dev/pts"]}, "volumes", "/dev/pts"),
        ({"tmpfs": ["/dev/pts"]}, "tmpfs", "/dev/pts"),
    ):
        with pytest.raises(
            InvalidSpec, match=f"tty needs terminals, and {option} hides them by what it mounts at {place}:"
        ):
            house.run("true", tty=True, **params)
    made = house.up(volumes=volumes, security_opts=["unmask=ALL"], command=["sleep", "100"])
    with pytest.raises(Refused, match="no terminal can be made in this container: /dev/pts/ptmx: No such file"):
        house.exec(made["name"], ["true"], tty=True)
    assert sorted(path.name for path in mine.iterdir()) == ["log"]


def test_a_device_that_is_none(house: House) -> None:
    with pytest.raises(NotFound, match="devices: /dev/nowhere does not exist"):
        house.run("true", devices=["/dev/nowhere"])
    with pytest.raises(InvalidSpec, match="devices: /etc/hosts is no device"):
        house.run("true", devices=["/etc/hosts"])


def test_a_directory_of_devices(house: House, tmp_path: os.PathLike[str]) -> None:
    for name, minor in (("one", 3), ("two", 5)):
        os.mknod(f"{tmp_path}/{name}", stat.S_IFCHR | 0o666, os.makedev(1, minor))
        os.chmod(f"{tmp_path}/{name}", 0o600)
    os.mkdir(f"{tmp_path}/none")
    done = house.run("cd /dev/all && stat -c '%n %t:%T %a' *", devices=[f"{tmp_path}:/dev/all:rw"])
    assert done.out.splitlines() == ["one 1:3 600", "two 1:5 600"]


def test_masked_paths(house: House) -> None:
    look = "cat /proc/kcore | head -c 1 | wc -c; test -w /proc/sys/net && echo w; mount | grep -c 'on /proc/' || true"
    assert house.run(look).out.split()[0] == "0"
    opened = house.run("mount | grep -c ' on /proc/' || true", security_opts=["systempaths=unconfined"])
    assert opened.out.split() == ["0"]
    hidden = house.run(
        "cat /etc/motd2 /etc/passwd | wc -c; ls /bin | wc -l", security_opts=["mask=/etc/passwd:/bin/nowhere"]
    )
    assert hidden.out.split()[0] == "0"
    shown = house.run("mount | grep -c ' on /proc/interrupts ' || true", security_opts=["unmask=/proc/interrupts"])
    assert shown.out.split() == ["0"]


def test_a_group_to_be_in(house: House) -> None:
    parent = f"{house.paths.cgroup}-test/deep"
    made = house.up(cgroup_parent=f"/{parent}", cgroupns_mode="host", memory="32M")
    try:
        paths = house.exec(made["name"], "cut -d: -f3 /proc/self/cgroup | sort -u").out.split()
        assert any(path.endswith(f"/{parent}/{made['id']}") for path in paths)
        assert house.exec(made["name"], "true").code == 0
        house.ask("container", name=made["name"], state="absent")
        assert not groups_at(f"{parent}/{made['id']}")
    finally:
        for directory in groups_at(parent):
            os.rmdir(directory)
            os.rmdir(os.path.dirname(directory))


def test_what_is_told_of_it(house: House) -> None:
    wanted = {
        "ulimits": ["nofile=100:200"],
        "shm_size": "2M",
        "ipc_mode": "shareable",
        "security_opts": ["seccomp=unconfined"],
    }
    made = house.info(house.up(**wanted, no_new_privileges=False)["name"])
    assert {option: made["spec"][option] for option in wanted} == {**wanted, "shm_size": 2 << 20}
    told = made["security"]
    assert (told["seccomp"], told["no_new_privileges"], told["note"]) == ("unconfined", False, "")
    assert "SYS_ADMIN" not in told["capabilities"]
    assert made["cgroup"] == f"{house.paths.cgroup}/{made['id']}"
    plain = house.info(house.up()["name"])
    assert (plain["security"]["seccomp"], plain["security"]["no_new_privileges"]) == ("default", True)
    filters = "grep Seccomp: /proc/self/status | cut -f2"
    assert house.exec(made["name"], filters).out == "0\n"
    assert house.exec(plain["name"], filters).out == "2\n"
