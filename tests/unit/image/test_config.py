# SPDX-License-Identifier: GPL-3.0-or-later
"""Config options: what people write, in OCI's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.digests import sha256
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.image.config import (
    assemble,
    layer_descriptor,
    read_created,
    read_options,
    show_created,
)

SECOND = 10**9


def test_every_option_has_its_field() -> None:
    assert read_options(
        {
            "command": "sh -c 'echo hi'",
            "entrypoint": ["/init"],
            "env": {"B": 2, "A": "x=y"},
            "user": "1000:1000",
            "working_dir": "/srv",
            "labels": {"k": "v"},
            "exposed_ports": [80, "53/udp", "8000-8001"],
            "stop_signal": "SIGINT",
            "volumes": ["/data"],
            "name": "ignored",
        }
    ) == {
        "Cmd": ["sh", "-c", "echo hi"],
        "Entrypoint": ["/init"],
        "Env": ["A=x=y", "B=2"],
        "User": "1000:1000",
        "WorkingDir": "/srv",
        "Labels": {"k": "v"},
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}},
        "StopSignal": "SIGINT",
        "Volumes": {"/data": {}},
    }
    assert read_options({"env": None, "command": None}) == {}


@pytest.mark.parametrize(
    "params",
    [
        {"command": "sh 'x"},
        {"command": 7},
        {"command": [["x"]]},
        {"env": ["A=1"]},
        {"env": {"A=B": "1"}},
        {"env": {"": "1"}},
        {"env": {"A": True}},
        {"env": {"A": "x\0"}},
        {"working_dir": "srv"},
        {"labels": ["x"]},
        {"exposed_ports": ["x"]},
        {"exposed_ports": ["0"]},
        {"exposed_ports": ["70000"]},
        {"exposed_ports": ["80/icmp"]},
        {"exposed_ports": "80"},
        {"exposed_ports": ["\u0661"]},
        {"exposed_ports": [True]},
        {"volumes": ["data"]},
    ],
)
def test_nonsense_is_told(params: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec, match=next(iter(params))):
        read_options(params)


def test_a_date_is_said_and_read_to_the_nanosecond() -> None:
    assert show_created(0) == "1970-01-01T00:00:00Z"
    assert show_created(-5) == "1970-01-01T00:00:00Z"
    assert show_created(1_700_000_000 * SECOND + 1) == "2023-11-14T22:13:20.000000001Z"
    assert show_created(1_700_000_000 * SECOND + 500_000_000) == "2023-11-14T22:13:20.5Z"
    assert show_created(1 << 99) == "9999-12-31T23:59:59Z"
    for nanoseconds in (0, SECOND, 1_700_000_000 * SECOND, 1_700_000_000 * SECOND + 120):
        assert read_created(show_created(nanoseconds)) == nanoseconds
    for text in ("yesterday", "", "2023-11-14T22:13:20", "2023-11-14T22:13:20.xZ", "2023-13-14T22:13:20Z"):
        assert read_created(text) == 0


def test_equal_content_is_an_equal_image() -> None:
    digest = sha256(b"layer")
    made = [
        assemble({"created": "x", "config": config}, [layer_descriptor(digest, 5)], (digest,))
        for config in ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    ]
    assert made[0] == made[1]
    manifest, config = json.loads(made[0].manifest), json.loads(made[0].config)
    assert manifest["config"] == {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": sha256(made[0].config),
        "size": len(made[0].config),
    }
    assert config["rootfs"] == {"type": "layers", "diff_ids": [digest]}
