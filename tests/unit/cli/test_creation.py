# SPDX-License-Identifier: GPL-3.0-or-later
"""Words on a command line become the parameters that a module would give."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.cli.commands.run import COMMAND
from ansible_collections.berth.containers.plugins.module_utils._engine.cli.creation import parameters
from ansible_collections.berth.containers.plugins.module_utils._engine.cli.naming import new_name
from ansible_collections.berth.containers.plugins.module_utils._engine.container.normalise import normalise
from ansible_collections.berth.containers.plugins.module_utils._engine.container.spec import Spec
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec, NotFound
from ansible_collections.berth.containers.plugins.module_utils._engine.names import check_name


def spec(line: str, *more: str) -> Spec:
    return normalise({**parameters(COMMAND.read([*line.split(), *more])), "name": "x"})


def test_nothing_but_an_image_has_no_opinion_on_anything() -> None:
    assert spec("base") == normalise({"name": "x", "image": "base"})


def test_every_option_of_run_reaches_the_spec() -> None:
    line = (
        "-it --rm --network bridge -p 8080:80 -v /srv:/data:ro -e A=b=c -u bob:staff -w /tmp -h box -m 64M --cpus 0.5"
        " --pids-limit 10 --read-only --tmpfs /run:size=1m --cap-add NET_ADMIN --cap-drop ALL --privileged --userns host"
        " --entrypoint /bin/sh -l one=1 -l two --dns 9.9.9.9 --add-host db:10.0.0.1 --stop-signal INT --stop-timeout 3"
        " --memory-swap 128m --memory-reservation 32m --memory-swappiness 10 -c 512 --cpuset-cpus 0,1 --cpuset-mems 0"
        " --blkio-weight 300 --blkio-weight-device /dev/null:200 --device-read-bps /dev/null:1m --device-write-bps /dev/null:2m"
        " --device-read-iops /dev/null:10 --device-write-iops /dev/null:20 --hugetlb-limit 2M=4M --device /dev/fuse:r"
        " --security-opt seccomp=unconfined --security-opt no-new-privileges --ulimit nofile=100:200 --sysctl net.core.somaxconn=9"
        " --oom-score-adj 100 --shm-size 1m --ipc shareable --pid host --uts private --cgroupns host --cgroup-parent /batch/"
        " --group-add staff --domainname example --umask 27"
        " base -c"
    )
    made = spec("--device-cgroup-rule", "c 1:3 rw", *line.split(), "echo hi")
    assert made == Spec(
        name="x",
        image="base",
        command=("-c", "echo hi"),
        entrypoint=("/bin/sh",),
        env={"A": "b=c"},
        user="bob:staff",
        working_dir="/tmp",
        hostname="box",
        labels={"one": "1", "two": ""},
        memory=64 << 20,
        cpus=0.5,
        pids_limit=10,
        read_only=True,
        tmpfs=("/run:size=1m",),
        volumes=("/srv:/data:ro",),
        network_mode="bridge",
        published_ports=("0.0.0.0:8080:80/tcp",),
        dns_servers=("9.9.9.9",),
        etc_hosts={"db": "10.0.0.1"},
        stop_signal="SIGINT",
        stop_timeout=3.0,
        auto_remove=True,
        cap_add=("NET_ADMIN",),
        cap_drop=("ALL",),
        privileged=True,
        userns_mode="host",
        tty=True,
        interactive=True,
        memory_swap=128 << 20,
        memory_reservation=32 << 20,
        memory_swappiness=10,
        cpu_shares=512,
        cpuset_cpus="0-1",
        cpuset_mems="0",
        blkio_weight=300,
        blkio_weight_device=("/dev/null:200",),
        device_read_bps=(f"/dev/null:{1 << 20}",),
        device_write_bps=(f"/dev/null:{2 << 20}",),
        device_read_iops=("/dev/null:10",),
        device_write_iops=("/dev/null:20",),
        hugetlb_limits={"2MB": 4 << 20},
        devices=("/dev/fuse:/dev/fuse:r",),
        device_cgroup_rules=("c 1:3 rw",),
        security_opts=("seccomp=unconfined",),
        no_new_privileges=True,
        ulimits=("nofile=100:200",),
        sysctls={"net.core.somaxconn": "9"},
        oom_score_adj=100,
        shm_size=1 << 20,
        ipc_mode="shareable",
        pid_mode="host",
        cgroupns_mode="host",
        cgroup_parent="batch",
        groups=("staff",),
        domainname="example",
        umask="0027",
    )
    untouched = normalise({"name": "x", "image": "base"})
    same = [name for name in Spec._fields if getattr(made, name) == getattr(untouched, name)]
    assert same == ["name", "image", "network_mode", "cpu_quota", "cpu_period", "uts_mode"]
    more = spec("--cpu-quota 2000 --cpu-period 4000 --uts host base")
    assert (more.cpu_quota, more.cpu_period, more.uts_mode) == (2000, 4000, "host")


def test_an_empty_entrypoint_takes_the_image_s_away() -> None:
    assert normalise({**parameters(COMMAND.read(["--entrypoint", "", "base", "ls"])), "name": "x"}).entrypoint == ()


def test_the_words_of_the_command_stay_as_they_are() -> None:
    assert spec("base", "sh", "-c", "a 'b  c'", "").command == ("sh", "-c", "a 'b  c'", "")


def test_variables_come_from_files_then_options_then_this_shell(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "env"
    file.write_text("# a comment\n\nA=from file\nB='as it is'\nHERE\nGONE\n")
    monkeypatch.setenv("HERE", "here")
    monkeypatch.delenv("GONE", raising=False)
    made = spec(f"--env-file {file} -e", "A=from option", "-eGONE", "base")
    assert made.env == {"A": "from option", "B": "'as it is'", "HERE": "here"}


def test_an_env_file_that_is_missing() -> None:
    with pytest.raises(NotFound, match="--env-file: /nowhere/env does not exist"):
        spec("--env-file /nowhere/env base")


def test_a_profile_may_be_named_from_here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "profile.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert spec("--security-opt seccomp=profile.json base").security_opts == (f"seccomp={tmp_path}/profile.json",)


@pytest.mark.parametrize("line", ["-e =x base", "--add-host db base", "--add-host :1.2.3.4 base"])
def test_what_makes_no_sense(line: str) -> None:
    with pytest.raises(InvalidSpec):
        spec(line)


def test_made_up_names_are_names_and_differ() -> None:
    names = {new_name() for _unused in range(200)}
    assert len(names) > 195
    assert all(check_name(name) == name for name in names)
