# SPDX-License-Identifier: GPL-3.0-or-later
"""Options, normalised once: every spelling is one spec, a spec is its own fixed point, and what differs is what was changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.container.normalise import normalise
from ansible_collections.berth.containers.plugins.module_utils._engine.container.resources import resources_of
from ansible_collections.berth.containers.plugins.module_utils._engine.container.spec import (
    Spec,
    differences,
    from_record,
)
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import EngineError, InvalidSpec

LEAST = {"name": "web", "image": "base"}


def spec(**params: Any) -> Spec:
    return normalise({**LEAST, **params})


SAME = [
    ({"command": "sh -c 'a  b'"}, {"command": ["sh", "-c", "a  b"]}),
    ({"memory": "64M"}, {"memory": 67108864}),
    ({"memory": "0"}, {"memory": -1}),
    ({"cpus": "0.50"}, {"cpus": 0.5}),
    ({"cpus": 0}, {}),
    ({"pids_limit": 0}, {"pids_limit": "-1"}),
    ({"stop_signal": "term"}, {"stop_signal": 15}),
    ({"stop_signal": "SIGTERM"}, {"stop_signal": "TERM"}),
    ({"stop_timeout": "1m"}, {"stop_timeout": 60}),
    ({"volumes": ["/a/../b/:/c//d"]}, {"volumes": "/b:/c/d:rw"}),
    ({"volumes": ["/a:/x:z,ro", "/b:/y"]}, {"volumes": ["/b:/y:rw", "/a:/x:ro"]}),
    ({"tmpfs": ["/t:mode=700,size=1m"]}, {"tmpfs": {"/t/": "size=1m,mode=700"}}),
    ({"cap_add": ["CAP_KILL", "net_raw"]}, {"cap_add": "NET_RAW,KILL"}),
    ({"env": {"B": 1, "A": True}}, {"env": {"A": "true", "B": "1"}}),
    ({"labels": {"a": 1.5}}, {"labels": {"a": "1.5"}}),
    ({"published_ports": ["8080:80"]}, {"published_ports": ["0.0.0.0:8080:80/tcp"]}),
    ({"user": 1000}, {"user": "1000"}),
    ({"hostname": None, "env": None}, {}),
    ({"devices": ["/dev/fuse"]}, {"devices": ["/dev/../dev/fuse:/dev/fuse:mwr"]}),
    ({"devices": ["/dev/sda:/dev/xvda:r", "/dev/b:wr"]}, {"devices": "/dev/b:/dev/b:rw,/dev/sda:/dev/xvda:r"}),
    ({"device_cgroup_rules": ["c 189:* mr"]}, {"device_cgroup_rules": "c  189:*  rm"}),
    ({"security_opts": ["seccomp:unconfined"]}, {"security_opts": ["seccomp=unconfined", "seccomp=unconfined"]}),
    ({"security_opts": ["mask=/b:/a/"]}, {"security_opts": ["mask=/a:/b"]}),
    ({"security_opts": ["unmask=all"]}, {"security_opts": ["unmask=ALL"]}),
    ({"security_opts": ["label=level:s0:c1,c2"]}, {"security_opts": ["label:level:s0:c1,c2"]}),
    ({"security_opts": ["no-new-privileges:false"]}, {"no_new_privileges": False}),
    ({"security_opts": ["no-new-privileges"]}, {}),
    ({"no_new_privileges": True}, {}),
    ({"no_new_privileges": False, "privileged": True}, {"privileged": True}),
    ({"ulimits": ["nofile=10"]}, {"ulimits": ["nofile:5:5", "NOFILE:10:10"]}),
    ({"ulimits": ["core=-1", "cpu=1:2"]}, {"ulimits": "cpu=1:2,core=unlimited:-1"}),
    ({"sysctls": {"net.core.somaxconn": 512}}, {"sysctls": {"net.core.somaxconn": "512"}}),
    ({"oom_score_adj": "-5"}, {"oom_score_adj": -5}),
    ({"shm_size": "1M"}, {"shm_size": 1 << 20}),
    (
        {
            "shm_size": 0,
            "ipc_mode": "private",
            "pid_mode": "private",
            "uts_mode": "private",
            "cgroupns_mode": "private",
        },
        {},
    ),
    ({"cgroup_parent": "/a/b/"}, {"cgroup_parent": "a/b"}),
    ({"groups": [100, "staff", "0100"]}, {"groups": ["staff", "100"]}),
    ({"umask": "27"}, {"umask": "0027"}),
    ({"memory": "1M", "memory_swap": "-1"}, {"memory": "1M", "memory_swap": -1}),
    ({"memory_swap": 0, "memory_reservation": -1, "memory_swappiness": -1, "cpu_shares": 0}, {}),
    ({"cpu_quota": -1, "cpu_period": 0, "blkio_weight": 0, "cpuset_cpus": ""}, {}),
    ({"cpuset_cpus": "3,0-1,2"}, {"cpuset_cpus": "0-3"}),
    ({"cpuset_mems": 0}, {"cpuset_mems": "0"}),
    (
        {"device_read_bps": ["/dev/b:1k", "/dev/a:5"]},
        {"device_read_bps": [{"path": "/dev/a", "rate": "5"}, "/dev/b:1024"]},
    ),
    ({"blkio_weight_device": {"/dev/a": 10}}, {"blkio_weight_device": [{"path": "/dev/a", "weight": 10}]}),
    ({"device_write_iops": "/dev/a:7"}, {"device_write_iops": ["/dev/a:9", "/dev/a:7"]}),
    ({"hugetlb_limits": {"2M": "4M"}}, {"hugetlb_limits": {2097152: 4 << 20}}),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_of_one_thing(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert spec(**one) == spec(**other)
    assert differences(spec(**one), spec(**other)) == ()


@pytest.mark.parametrize("params", [one for one, _other in SAME])
def test_a_spec_survives_its_record(params: dict[str, Any]) -> None:
    made = spec(**params)
    assert from_record(json.loads(json.dumps(made.as_dict()))) == made
    again = {key: value for key, value in made.as_dict().items() if value is not None}
    assert normalise(again) == made


def test_a_record_of_an_older_engine() -> None:
    fields = spec().as_dict()
    del fields["labels"]
    assert from_record({**fields, "of_the_future": 1}) == spec()


def test_differences_are_named() -> None:
    assert differences(spec(env={"A": "1"}, memory="64M"), spec(env={"A": "1", "B": "2"})) == ("env", "memory")
    assert set(Spec._live) <= set(Spec._fields)


def test_no_opinion_is_not_a_value() -> None:
    assert spec().command is None
    assert spec(command=[]).command == ()
    assert spec(entrypoint=[]).entrypoint == ()
    assert resources_of(spec())["pids"] == {"limit": 2048}
    assert "pids" not in resources_of(spec(pids_limit=-1))


@pytest.mark.parametrize(
    ("option", "value"),
    [("command", 5), ("command", [["a"]]), ("command", "'"), ("command", ["\0"]), ("entrypoint", {"a": 1}), ("env", "A=1"),
     ("env", {"": "1"}), ("env", {"A=": "1"}), ("env", {"A": None}), ("env", {"A": [1]}), ("env", {"A": "\0"}), ("labels", ["a"]),
     ("user", ""), ("working_dir", "relative"), ("working_dir", ""), ("hostname", "a/b"), ("hostname", "h" * 65), ("memory", "5Q"),
     ("cpus", "x"), ("pids_limit", "1.5"), ("pids_limit", -2), ("read_only", "yes"), ("read_only", 1), ("tmpfs", "rel"), ("tmpfs", "/"),
     ("volumes", "/a"), ("volumes", "a:/b"), ("volumes", "/a:b"), ("volumes", "/a:/"), ("volumes", "/a:/b/.."), ("volumes", "/a:/b:rwx"),
     ("volumes", {"a": 1}), ("network_mode", ""), ("network_mode", "container:"), ("network_mode", "container:a/b"),
     ("published_ports", ["x"]), ("dns_servers", ["x"]), ("etc_hosts", {"a": "b"}), ("stop_signal", "SIG"), ("stop_signal", 0),
     ("stop_signal", "SIG_IGN"), ("stop_timeout", "-1"), ("cap_add", ["X"]), ("privileged", "no"), ("userns_mode", "keep-id"),
     ("image", ""), ("name", "a/b"), ("devices", ["fuse"]), ("devices", ["/dev/a:b"]),
     ("devices", ["/dev/a:/dev/b:x"]), ("devices", ["/dev/a:/"]), ("devices", ["vendor.com/gpu=all"]),
     ("device_cgroup_rules", ["c 1 rw"]), ("device_cgroup_rules", ["c 1:x r"]), ("security_opts", ["what=1"]),
     ("security_opts", ["seccomp"]), ("security_opts", ["seccomp=relative"]), ("security_opts", ["label=x"]),
     ("security_opts", ["no-new-privileges=maybe"]), ("security_opts", ["mask=a"]),
     ("security_opts", ["systempaths=x"]), ("security_opts", ["apparmor=a b"]),
     ("security_opts", ["seccomp=/a", "seccomp=unconfined"]), ("ulimits", ["nofile"]), ("ulimits", ["as=1"]),
     ("ulimits", ["nofile=2:1"]), ("ulimits", ["nofile=-1:1"]), ("ulimits", ["nofile=0x1"]),
     ("sysctls", {"kernel.core_pattern": "|/x"}), ("sysctls", {"net.x": "1\n2"}),
     ("sysctls", {"net.x": "1+kernel.y=2"}), ("sysctls", {"net/x": "1"}), ("sysctls", {"net..x": "1"}),
     ("sysctls", {"net.+x": "1"}), ("sysctls", {"kernel.hostname": "x"}), ("sysctls", {"net.x": ""}),
     ("oom_score_adj", 1001), ("oom_score_adj", True), ("shm_size", "x"), ("ipc_mode", "ns:/x"),
     ("pid_mode", "shareable"), ("uts_mode", "container:x"), ("cgroupns_mode", ""), ("cgroup_parent", "/"),
     ("cgroup_parent", "a/../b"), ("groups", ["a:b"]), ("groups", ["4294967296"]), ("domainname", "a/b"),
     ("umask", 27), ("umask", "0888"), ("umask", "7022"), ("memory_swap", "1M"), ("memory_swappiness", 101),
     ("cpu_shares", 1), ("cpu_quota", 1), ("cpu_period", 10), ("cpuset_cpus", "3-1"),
     ("cpuset_cpus", "0-99999999999"), ("blkio_weight", 5), ("blkio_weight_device", ["/dev/a"]),
     ("blkio_weight_device", ["/dev/a:1"]), ("device_read_bps", ["/dev/a:0"]),
     ("device_read_bps", [{"path": "/dev/a"}]), ("device_read_iops", ["/dev/a:1k"]), ("hugetlb_limits", {"3M": 1}),
     ("hugetlb_limits", ["2M"])],
)  # fmt: skip
def test_what_makes_no_sense_names_its_option(option: str, value: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        spec(**{option: value})
    said = str(caught.value)
    assert option.split("_")[0] in said or option in ("name", "network_mode")
    assert said.isprintable()
    assert not said.endswith(".")


def test_what_contradicts_itself_is_told() -> None:
    for params, words in (
        ({"memory": "2M", "memory_swap": "1M"}, "memory_swap"),
        ({"memory": "2M", "memory_reservation": "3M"}, "memory_reservation"),
        ({"cpus": 1, "cpu_quota": 5000}, "cpu_quota"),
        ({"uts_mode": "host", "hostname": "x"}, "hostname"),
        ({"ipc_mode": "host", "shm_size": "1M"}, "shm_size"),
        ({"no_new_privileges": True, "security_opts": ["no-new-privileges=false"]}, "no_new_privileges"),
    ):
        with pytest.raises(InvalidSpec, match=words):
            spec(**params)


@pytest.mark.parametrize(
    ("name", "mode", "own", "others"),
    [("net.core.somaxconn", "network_mode", ("bridge", "none"), ("host", "container:x")),
     ("kernel.shmmax", "ipc_mode", ("private", "shareable", "none"), ("host", "container:x")),
     ("fs.mqueue.msg_max", "ipc_mode", ("private",), ("host",)),
     ("kernel.domainname", "uts_mode", ("private",), ("host",))],
)  # fmt: skip
def test_a_parameter_is_the_container_s_when_its_namespace_is(
    name: str, mode: str, own: tuple[str, ...], others: tuple[str, ...]
) -> None:
    for value in own:
        assert spec(sysctls={name: "1"}, **{mode: value}).sysctls == {name: "1"}
    for value in others:
        with pytest.raises(InvalidSpec, match=f"{name} belongs to others as well with {mode} {value}"):
            spec(sysctls={name: "1"}, **{mode: value})


# The first text of a run takes Hypothesis a second, or more on a busy machine.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(Spec._fields),
        st.one_of(st.text(), st.integers(), st.lists(st.text()), st.booleans(), st.none()),
    )
)
def test_anything_is_a_spec_or_a_sentence(params: dict[str, Any]) -> None:
    try:
        made = spec(**params)
    except EngineError as error:
        assert str(error).isprintable()
        return
    assert from_record(json.loads(json.dumps(made.as_dict()))) == made
