# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault of a document is told, with its place, in the order of the document."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ansible_collections.berth.containers.plugins.plugin_utils.documents import schema, violations

SOUND: dict[str, Any] = {
    "images": [{"name": "base", "bootstrap": "busybox", "env": {"A": 1, "B": True}, "exposed_ports": [80, "53/udp"]}],
    "containers": [
        {
            "name": "web",
            "image": "base:latest",
            "command": "httpd -f",
            "memory": "64M",
            "cpus": 0.5,
            "pids_limit": -1,
            "tmpfs": {"/run": "size=1m", "/tmp": None},
            "volumes": ["/srv:/srv:ro"],
            "ports": ["127.0.0.1:8080:80", "53:53/udp", 80, "[::1]:1:1", "8000-8010:80-90"],
            "network_mode": "container:db.1",
            "stop_timeout": "1m30s",
        },
        {"name": "db.1", "state": "absent"},
    ],
}


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema("environment"))


@pytest.mark.parametrize("document", [SOUND, {}, {"images": []}, {"containers": [{"name": "a"}]}])
def test_a_sound_document_has_no_fault(document: dict[str, Any]) -> None:
    assert violations("environment", document) == []


def test_all_faults_are_told_in_order() -> None:
    document = {
        "images": [
            {"name": "a/b:c", "bootstrap": "windows"},
            {"bootstrap": "busybox"},
            {"name": "x", "rootfs": "relative"},
        ],
        "containers": [
            {"name": "../up", "image": "base", "colour": "red", "size": 1},
            *({"name": f"c{number}"} for number in range(1, 10)),
            {"name": "c10", "memory": "lots", "ports": ["80:80", "eighty"], "env": {"A": ["no"]}},
            {"name": "c2"},
            "just a name",
        ],
        "volumes": [],
    }
    assert violations("environment", document) == [
        "the document: unknown option 'volumes'",
        "containers[0]: unknown option 'colour'",
        "containers[0]: unknown option 'size'",
        "containers[0].name: '../up' is not a name: letters, digits, _ . - and a letter or digit first, at most 128",
        "containers[10].env.A: ['no'] is not a text, number or boolean",
        "containers[10].memory: 'lots' is not a size: a number and a unit, such as 64M or 1.5G",
        "containers[10].ports[1]: 'eighty' is not a port to publish, such as 8080:80, 127.0.0.1:8080:80 or 53:53/udp",
        "containers[12]: 'just a name' is not of type 'object'",
        "images[0].bootstrap: 'windows' is not one of ['busybox', 'debootstrap']",
        "images[1]: name is missing",
        "images[2].rootfs: 'relative' is not an absolute path",
        "containers[11].name: 'c2' is the name of containers[2] already",
    ]


@pytest.mark.parametrize("document", [None, [], "text", {"images": {}}, {"containers": None}])
def test_a_document_of_another_shape_is_told_too(document: object) -> None:
    assert len(violations("environment", document)) == 1


@pytest.mark.parametrize("rivals", [("rootfs", "bootstrap"), ("rootfs", "archive"), ("bootstrap", "archive")])
def test_an_image_has_one_origin(rivals: tuple[str, str]) -> None:
    origins = {"rootfs": "/r", "bootstrap": "busybox", "archive": "/a.tar"}
    document = {"images": [{"name": "a", **{name: origins[name] for name in rivals}}]}
    assert violations("environment", document) == [
        f"images[0]: it has both {' and '.join(rivals)}: leave one of them out"
    ]


def test_no_password_is_taken_or_shown() -> None:
    (line,) = violations("environment", {"images": [{"name": "a", "registry_password": "secret"}]})
    assert line == "images[0]: unknown option 'registry_password'"


def test_a_hostile_value_is_shown_plainly_and_shortly() -> None:
    (line,) = violations("environment", {"containers": [{"name": "\x1b[31m" + "x" * 1000}]})
    assert "\x1b" not in line
    assert len(line) < 200
