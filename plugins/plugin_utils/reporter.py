# SPDX-License-Identifier: GPL-3.0-or-later
"""At -v, a task that moves an image tells how far it is: the engine is asked every two seconds while the module runs.

The module's own way stays as it is. Who asks has a connection of its own, for none can be used by two threads at once, and
whatever goes wrong there is nothing to the task.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import json
import os
import threading

from ansible.errors import AnsibleError
from ansible.plugins.loader import connection_loader
from ansible.utils.display import Display

from ..module_utils._ansible.delivery import program
from .direct import root_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ansible.plugins.action import ActionBase

KINDS = ("container_image", "container_image_push", "environment")
# A connection plugin is anybody's, and may not be made to be had twice.
FAULTS = (AnsibleError, AttributeError, KeyError, OSError, TypeError, ValueError)
_TOKEN = "BERTH_PROGRESS"
_EVERY = 2.0
_PATIENCE = 5.0
_LONGEST = 300

display = Display()


@contextlib.contextmanager
def reporting(action: ActionBase, module: str, pinned: dict[str, Any], task_vars: dict[str, Any]) -> Iterator[None]:
    """Tell of what the task does meanwhile, if there is somebody to hear it; else nothing at all is done for it.

    The variable `berth_progress` is the seconds between two questions, 0 for none.
    """
    every = _every(task_vars.get("berth_progress"))
    if display.verbosity < 1 or not every or not _has_news(action, module, pinned):
        yield
        return
    task, token = action._task, os.urandom(16).hex()
    before, host = task.environment, str(task_vars.get("inventory_hostname") or "")
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(Reporter(action, pinned, token, host, every))
        except FAULTS as error:
            display.vv(f"{host}: nobody can be asked how far it is: {error}")
        task.environment = [*(before or ()), {_TOKEN: token}]
        try:
            yield
        finally:
            task.environment = before


def _every(wanted: object) -> float:
    try:
        return max(float(str(wanted)), 0.0) if wanted is not None else _EVERY
    except ValueError:
        return _EVERY


def _has_news(action: ActionBase, module: str, pinned: dict[str, Any]) -> bool:
    task = action._task
    return (
        module.rpartition(".")[2] in KINDS
        and not (task.check_mode or task.async_val or task.no_log)
        and getattr(action._connection._shell, "SHELL_FAMILY", "") == "sh"
        and not set("~$") & set(str(pinned.get("root") or ""))  # that is for the host to expand
    )


class Reporter:
    """Asks and tells in a thread from its `with` to the end of that."""

    def __init__(self, action: ActionBase, pinned: dict[str, Any], token: str, host: str, every: float) -> None:
        self._host, self._every = host, every
        self._over, self._speaking = threading.Event(), threading.Lock()
        request = {"verb": "progress", "root": pinned.get("root"), "params": {"token": token}}
        given = action._compute_environment_string().strip()
        quote = action._connection._shell.quote
        path = program(f"{root_word(action, pinned.get('root'))}/engine", pinned["engine"])
        self._command = (
            f"{f'export {given}; ' if given else ''}printf %s {quote(json.dumps(request))} | {path} api 2>/dev/null"
        )
        self._action = _beside(action)
        self._thread = threading.Thread(target=contextvars.copy_context().run, args=(self._work,), daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_unused: object) -> None:
        # Not amid a word: the thread may be left behind, with what it holds of the display.
        with self._speaking:
            self._over.set()
        self._thread.join(_PATIENCE)

    def _work(self) -> None:
        last = ""
        try:
            while not self._over.wait(self._every):
                line = self._ask()
                with self._speaking:
                    if line and line != last and not self._over.is_set():
                        display.v(f"{self._host}: {line}")
                last = line or last
        except FAULTS as error:
            with self._speaking:
                if not self._over.is_set():
                    display.vv(f"{self._host}: nobody can be asked how far it is: {error}")
        finally:
            with contextlib.suppress(*FAULTS):
                self._action._connection.close()

    def _ask(self) -> str:
        """What the engine says; nothing while it is not there yet, or has nothing to say."""
        said = self._action._low_level_execute_command(self._command)["stdout"]
        for line in said.splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                return _printable(json.loads(line)["result"]["line"])
        return ""


def _printable(text: str) -> str:
    """A host's word for a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text[:_LONGEST])


def _beside(action: ActionBase) -> ActionBase:
    """The same action on a connection of its own to the same host, by the same way, as the same user."""
    first, play = action._connection, action._play_context
    second = connection_loader.get(
        play.connection, play, new_stdin=None, task_uuid=action._task._uuid, ansible_playbook_pid=str(os.getppid())
    )
    if second is None:
        raise AnsibleError(f"there is no connection plugin {play.connection!a}")
    second.set_options(direct=first.get_options())
    second._shell = copy.copy(first._shell)
    second.set_become_plugin(copy.copy(first.become))
    beside = copy.copy(action)
    beside._connection = second
    return beside
