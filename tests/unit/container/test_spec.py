# SPDX-License-Identifier: GPL-3.0-or-later
"""Options, normalised once: every spelling is one spec, a spec is its own fixed point, and what differs is what was changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.berth.containers.plugins.module_utils._engine.container.bundling import limits_of
from ansible_collections.berth.containers.plugins.module_utils._engine.container.normalise import normalise
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
    assert limits_of(spec()).pids == 2048
    assert limits_of(spec(pids_limit=-1)).pids is None


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
     ("image", ""), ("name", "a/b")],
)  # fmt: skip
def test_what_makes_no_sense_names_its_option(option: str, value: Any) -> None:
    with pytest.raises(InvalidSpec) as caught:
        spec(**{option: value})
    said = str(caught.value)
    assert option.split("_")[0] in said or option in ("name", "network_mode")
    assert said.isprintable()
    assert not said.endswith(".")


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
