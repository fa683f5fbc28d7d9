# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks how far a task is: nobody unless somebody listens, and never to the task's harm."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleError

from ansible_collections.berth.containers.plugins.plugin_utils import reporter
from ansible_collections.berth.containers.plugins.plugin_utils.reporter import reporting

MODULE = "berth.containers.container_image"


class Shell:
    SHELL_FAMILY = "sh"

    def quote(self, word: str) -> str:
        return f"'{word}'"


class Connection:
    """The task's, or the one beside it, which says `answer` or fails."""

    def __init__(self) -> None:
        self._shell, self.become, self.closed = Shell(), None, threading.Event()

    def get_options(self) -> dict[str, Any]:
        return {"host": "far"}

    def set_options(self, direct: dict[str, Any]) -> None:
        assert direct == {"host": "far"}

    def set_become_plugin(self, plugin: object) -> None:
        assert plugin is None

    def close(self) -> None:
        self.closed.set()


class Action:
    def __init__(self, answer: object, **task: Any) -> None:
        self.answer, self.commands, self.asked = answer, [], threading.Semaphore(0)
        plain = {"environment": [], "check_mode": False, "async_val": 0, "no_log": False, "_uuid": "1"}
        self._task = SimpleNamespace(**{**plain, **task})
        self._connection: Any = Connection()
        self._play_context = SimpleNamespace(connection="ssh")

    def _compute_environment_string(self) -> str:
        return "A=b "

    def _low_level_execute_command(self, command: str) -> dict[str, str]:
        self.commands.append(command)
        self.asked.release()
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"stdout": f"\r\nnoise\r\n{self.answer}\r\n"}


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Connection:
    made = Connection()
    monkeypatch.setattr(reporter.connection_loader, "get", lambda *_words, **_named: made)
    return made


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(reporter.display, "verbosity", 1)
    monkeypatch.setattr(reporter.display, "v", found.append)
    return found


def run(action: Any, module: str = MODULE, root: str | None = None, **variables: Any) -> list[dict[str, str]]:
    """The task's environment while it ran, long enough for two questions if there are any."""
    given = {"inventory_hostname": "web1", "berth_progress": 0.01, **variables}
    with reporting(action, module, {"engine": "e" * 64, "root": root}, given):
        inside = list(action._task.environment)
        for _unused in range(2 if inside and not isinstance(action.answer, Exception) else 0):
            assert action.asked.acquire(timeout=5)
    assert action._task.environment == []
    return inside


def test_what_the_host_says_is_told_once(said: list[str], beside: Connection) -> None:
    action = Action(json.dumps({"ok": True, "result": {"line": "pull app:1: 1 of 2 layers\x1b[31m"}}))
    ((given,),) = [run(action)]
    assert said == ["web1: pull app:1: 1 of 2 layers?[31m"]
    token = given["BERTH_PROGRESS"]
    assert token.isalnum() and token in action.commands[0]
    assert action.commands[0].startswith("export A=b; printf ")
    assert '"${BERTH_ROOT:-' in action.commands[0]
    assert beside.closed.is_set() and not action._connection.closed.is_set()


@pytest.mark.parametrize(
    "answer", ["", '{"ok": false}', "[]", '{"result": {"line": 7}}', AnsibleError("gone"), TypeError("odd")]
)
def test_nothing_that_goes_wrong_is_the_tasks(said: list[str], beside: Connection, answer: object) -> None:
    run(Action(answer))
    assert said == []
    assert beside.closed.wait(5)


def test_a_connection_that_can_not_be_had_twice(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter.connection_loader, "get", lambda *_words, **_named: None)
    run(Action(AnsibleError("never asked")))
    assert said == []


@pytest.mark.parametrize(
    ("task", "more"),
    [
        ({"check_mode": True}, {}),
        ({"async_val": 10}, {}),
        ({"no_log": True}, {}),
        ({}, {"berth_progress": 0}),
        ({}, {"module": "berth.containers.container_info"}),
        ({}, {"root": "~/root"}),
    ],
    ids=["check", "async", "no-log", "unwanted", "no-news", "home"],
)
def test_nobody_asks(
    said: list[str], monkeypatch: pytest.MonkeyPatch, task: dict[str, Any], more: dict[str, Any]
) -> None:
    monkeypatch.setattr(reporter, "Reporter", None)
    assert run(Action("", **task), **more) == []
    assert said == []


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter.display, "verbosity", 0)
    monkeypatch.setattr(reporter, "Reporter", None)
    assert run(Action("")) == []
