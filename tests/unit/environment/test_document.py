# SPDX-License-Identifier: GPL-3.0-or-later
"""A document is read whole: every fault at once, and an order in which nothing waits for what comes later."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.environment.document import read
from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec


def names(document: dict[str, Any]) -> list[list[str]]:
    return [[entry["name"] for entry in wave] for wave in read(document).waves()]


def container(name: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "image": "base", **options}


def test_nothing_is_a_document() -> None:
    assert names({}) == []


def test_those_that_go_come_first_and_sharers_come_last() -> None:
    document = {
        "containers": [
            container("c", pid_mode="container:b"),
            container("b", network_mode="container:a"),
            container("a"),
            {"name": "old", "state": "absent"},
            container("lone"),
            container("guest", network_mode="container:elsewhere"),
        ]
    }
    assert names(document) == [["old"], ["a", "lone", "guest"], ["b"], ["c"]]


def test_a_circle_is_named() -> None:
    document = {"containers": [container("a", ipc_mode="container:b"), container("b", userns_mode="container:a")]}
    with pytest.raises(InvalidSpec, match="containers a, b wait for each other"):
        read(document)


def test_every_fault_has_its_place() -> None:
    document = {
        "images": [
            {"name": "base", "bootstrap": "busybox"},
            {"name": "base:latest", "rootfs": "/r"},
            {"name": "x", "user": "u"},
        ],
        "containers": [container("a"), container("b", memory="lots"), {"name": "no/such"}, container("a")],
    }
    with pytest.raises(InvalidSpec) as caught:
        read(document)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "images[1]",
        "images[2]",
        "containers[1]",
        "containers[2]",
        "containers[3]",
    ]
    assert "containers[3]: a is the name of containers[0] already" in str(caught.value)


def test_images_are_told_apart_by_their_state() -> None:
    document = read({"images": [{"name": "a", "state": "absent"}, {"name": "b", "bootstrap": "busybox"}]})
    assert [entry["name"] for entry in document.made()] == ["b"]
    assert [entry["name"] for entry in document.unmade()] == ["a"]
