# SPDX-License-Identifier: GPL-3.0-or-later
"""What a commit changes in a config: Docker's instructions and our options."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.berth.containers.plugins.module_utils._engine.errors import InvalidSpec
from ansible_collections.berth.containers.plugins.module_utils._engine.image.changes import apply_changes, read_changes


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('CMD ["a", "b c"]', {"Cmd": ["a", "b c"]}),
        ("cmd echo $HOME", {"Cmd": ["/bin/sh", "-c", "echo $HOME"]}),
        ("CMD", {"Cmd": []}),
        ('ENTRYPOINT ["/x"]', {"Entrypoint": ["/x"]}),
        ('ENV A=1 B="x y"', {"Env": ["A=1", "B=x y"]}),
        ("ENV A x y", {"Env": ["A=x y"]}),
        ("LABEL a.b=c", {"Labels": {"a.b": "c"}}),
        ("EXPOSE 80 53/udp", {"ExposedPorts": {"80/tcp": {}, "53/udp": {}}}),
        ("USER app", {"User": "app"}),
        ("WORKDIR /srv", {"WorkingDir": "/srv"}),
        ("STOPSIGNAL SIGINT", {"StopSignal": "SIGINT"}),
        ('VOLUME ["/a"]', {"Volumes": {"/a": {}}}),
    ],
)
def test_dockers_instructions(line: str, fields: dict[str, Any]) -> None:
    assert read_changes([line]) == fields


def test_options_say_the_same() -> None:
    assert read_changes({"command": ["a"], "env": {"A": "1"}}) == read_changes(['CMD ["a"]', "ENV A=1"])
    assert read_changes(None) == {}


@pytest.mark.parametrize(
    "changes",
    [
        "CMD x",
        5,
        ["RUN ls"],
        ["CMD [1]"],
        ["CMD ["],
        ["ENV A"],
        ["ENV ='x"],
        ["ENV A=1 B"],
        ["USER"],
        [7],
        {"cmd": "x"},
        ["WORKDIR"],
        ["ENV A='x"],
    ],
)
def test_nonsense_is_told(changes: object) -> None:
    with pytest.raises(InvalidSpec):
        read_changes(changes)


def test_some_are_added_and_some_replace() -> None:
    config = {
        "Env": ["PATH=/bin", "A=1"],
        "Labels": {"a": "1", "b": "2"},
        "Cmd": ["old"],
        "WorkingDir": "/srv",
        "User": "me",
    }
    changed = apply_changes(config, read_changes(["ENV A=2", "ENV B=3", "LABEL b=3", "WORKDIR app", "USER you"]))
    assert changed == {
        "Env": ["PATH=/bin", "A=2", "B=3"],
        "Labels": {"a": "1", "b": "3"},
        "Cmd": ["old"],
        "WorkingDir": "/srv/app",
        "User": "you",
    }
    assert config["Env"] == ["PATH=/bin", "A=1"]


def test_a_new_entrypoint_drops_the_old_command() -> None:
    assert apply_changes({"Cmd": ["old"]}, read_changes(["ENTRYPOINT /x"])) == {"Entrypoint": ["/bin/sh", "-c", "/x"]}
    assert apply_changes({"Cmd": ["old"]}, read_changes(['ENTRYPOINT ["/x"]', 'CMD ["y"]'])) == {
        "Entrypoint": ["/x"],
        "Cmd": ["y"],
    }
    assert apply_changes({"Cmd": ["old"]}, read_changes(["CMD"])) == {}
